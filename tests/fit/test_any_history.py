"""Whatever a fleet's history is: a scenario that can be read, or one sentence."""

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator.errors import UsageError
from simulator.fit.executions import Execution, Observed
from simulator.fit.fitting import Wanted, fit_executions
from simulator.fit.report import as_json, render
from simulator.jobs.model import STATUSES
from simulator.scenario import loads

EPOCH = 1_767_225_600.0
FINE = Observed(fine=True)
TIMES = st.one_of(st.just(0.0), st.integers(0, 90).map(float), st.floats(0, 1e6))


def _later(draw: Any, than: float) -> float | None:
    after = draw(st.none() | TIMES)
    return None if after is None else than + after


@st.composite
def histories(draw: Any) -> list[Execution]:
    found = []
    for at in range(draw(st.integers(1, 12))):
        thing = f"{draw(st.sampled_from('ab'))}-{at}"
        for number in range(1, draw(st.integers(1, 3)) + 1):
            queued = _later(draw, EPOCH)
            started = _later(draw, queued or EPOCH)
            updated = _later(draw, started or queued or EPOCH)
            status = draw(st.sampled_from(STATUSES))
            version = draw(st.none() | st.integers(1, 9))
            details = draw(st.none() | st.just({"reason": "a: 'b' \"c\" #"}))
            found.append(
                Execution("J", thing, number, status, queued, started, updated, number - 1,
                          version, details)
            )  # fmt: skip
    return found


@given(histories(), st.booleans(), st.sampled_from([None, "prefix"]))
@settings(max_examples=25, derandomize=True, deadline=None, phases=[Phase.generate])
def test_any_history_is_fitted_or_refused(
    executions: list[Execution], fine: bool, by: str | None
) -> None:
    wanted = Wanted(by=by, bootstrap=2)
    try:
        fitted = fit_executions(executions, Observed(fine=fine), wanted, "x")
    except UsageError:
        return
    scenario = loads(fitted.text).scenario
    assert scenario.things == len({execution.thing for execution in executions})
    assert render(fitted)
    assert as_json(fitted)


def test_a_thing_that_alone_was_late_is_away_for_as_long_as_that() -> None:
    """One late start says nothing of a shape, but of a scale."""
    there = [_started(f"a-{at}", 0.2) for at in range(3)]
    fitted = fit_executions([*there, _started("a-3", 741_339.5)], FINE, Wanted(bootstrap=2), "x")
    away = fitted.cohorts[0].waits.away
    assert away is not None
    assert away.mean > 741_339.5 / 10
    assert loads(fitted.text).scenario.things == 4


def _started(thing: str, wait: float) -> Execution:
    queued = EPOCH + wait
    return Execution("J", thing, 1, "SUCCEEDED", EPOCH, queued, queued + 60.0, 0, None, None)
