"""The exact optimum over what propagation left: :mod:`find` splits into components and puts the rest to work.

`ordering` and `elimination` (over `factors`) solve what is narrow; `wide` solves the rest, with a first solution of
python-constraint (`search`) and HiGHS (`milp`); `legal` finds some config where a limit leaves no time for the best.
"""
