"""Links that are asked without a coroutine: nothing of a rehearsal may depend on it."""

import pytest

from simulator.run import Resolved, rehearse
from simulator.scenario.file import loads
from simulator.transports.lossy import LossyLink

SCENARIO = """
fleet:
  - cohort: devices
    things: 60
    work: {duration: {distribution: lognormal, median: 90s, sigma: 0.6}, steps: 3, step_timeout: 5m}
    outcome: {fail: 10%, reject: 5%, hang: {share: 5%, away: 30m}}
network:
  latency: {distribution: lognormal, median: 40ms, sigma: 0.4}
  lost_replies: 5%
  lost_requests: 5%
  duplicated: 5%
  reordered: 5%
  reply_timeout: 5s
job:
  document: {}
  jobExecutionsRetryConfig: {criteriaList: [{failureType: ALL, numberOfRetries: 2}]}
load: {until: 1d}
"""


def test_asked_at_once_or_the_long_way_a_link_says_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolved = Resolved.of(loads(SCENARIO), 7, None)
    at_once = rehearse(resolved)
    monkeypatch.setattr(LossyLink, "after", lambda *_: None)
    long_way = rehearse(resolved)
    assert at_once.records.tobytes() == long_way.records.tobytes()
    assert at_once.summary == long_way.summary
