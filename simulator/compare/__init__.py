"""Two finished runs beside each other: what differs, and which of it is a regression.

In reading order: statistics (tests of two samples), samples (what a run's things did, one value or
one pair of counts for each thing), limits (how much worse is too much), measures (every number of
both runs, with its test), verdict (what is found), text and page (writers).
"""
