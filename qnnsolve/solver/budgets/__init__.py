"""The best legal config under budgets: an objective and budgets that are sums of measures, always with a bound.

`measures` is what a user counts, `compiled` the factors that carry the amounts, `mixed` the program for HiGHS;
`program` answers.
"""
