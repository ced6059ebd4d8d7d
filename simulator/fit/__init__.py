"""Observed executions → a scenario whose fleet behaves like them.

In reading order: ``special`` (incomplete gamma), ``laws`` (families of durations), ``censored``
(maximum likelihood with censoring, goodness of fit), ``executions`` (what an execution is here),
``documents`` (AWS's JSON), ``shares`` (outcome rates), ``waits`` (presence), ``settings`` (what the
job was configured with), ``estimate`` (cohort by cohort), ``scenario_text`` and ``report`` (what is
written).
"""
