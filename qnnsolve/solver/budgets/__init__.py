"""The best legal config under budgets: an objective and budgets that are sums of measures, always with a bound.

`measures` is what a user counts; `tables` and `compiled` make factors of it, and `columns` lists their rows. `rounds`
eliminates, `multipliers` bounds a `query` by that, `narrowing` leaves out what cannot be in anything better, `mixed`
gives the rest to HiGHS; `exact` goes that way, and `program` is what a user asks.
"""
