"""A fleet of known behaviour is rehearsed, exported, fitted, and rehearsed again."""

from pathlib import Path

import numpy as np
import pytest

from simulator.executions import Executions
from simulator.export import DESCRIBE, EVENTS, LIST_FOR_JOB, LIST_FOR_THING, export
from simulator.fit.fitting import Fitted, Wanted, fit_texts
from simulator.jobs.model import STATUSES, Status
from simulator.run import Finished, Resolved, RunDirectory, rehearse
from simulator.scenario import loads
from simulator.today import utc_now

TRUTH = """\
fleet:
  - cohort: gateways
    things: 1200
    work: {duration: {distribution: lognormal, median: 90s, sigma: 0.5}, steps: 3}
    outcome: {fail: {share: 6%, reasons: {power: 3, space: 1}}, reject: 1%, hang: 4%}
  - cohort: sensors
    things: 800
    work: {duration: {distribution: weibull, scale: 200s, shape: 2.5}}
    outcome: {fail: [30%, 8%], hang: 1%}
job:
  jobId: firmware
  document: {}
  timeoutConfig: {inProgressTimeoutInMinutes: 10}
  jobExecutionsRolloutConfig: {maximumPerMinute: 500}
  jobExecutionsRetryConfig: {criteriaList: [{failureType: FAILED, numberOfRetries: 1}]}
load: {until: 3h}
"""


def kept(finished: Finished) -> Executions:
    assert finished.executions is not None
    return finished.executions


def share(rows: Executions, status: Status) -> float:
    return float(np.mean(rows.columns["status"] == STATUSES.index(status)))


def median(rows: Executions) -> float:
    data = rows.columns
    ended = data["status"] == STATUSES.index("SUCCEEDED")
    return float(np.median((data["updated"] - data["started"])[ended]))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, Path]:
    folder = tmp_path_factory.mktemp("original")
    finished = rehearse(Resolved.of(loads(TRUTH), 5, None))
    RunDirectory(folder, "x").write(finished, utc_now())
    return finished, folder


def exported(folder: Path, form: str) -> tuple[str, str]:
    said: list[str] = []
    export(folder, form, None, None, said.append)
    return f"{form}.json", "\n".join(said)


@pytest.fixture(scope="module")
def fitted(original: tuple[Finished, Path]) -> Fitted:
    sources = [exported(original[1], form) for form in (LIST_FOR_JOB, DESCRIBE)]
    return fit_texts(sources, Wanted(by="prefix", bootstrap=19))


def test_the_fit_finds_the_truth(fitted: Fitted) -> None:
    gateways, sensors = fitted.cohorts
    assert (gateways.things, sensors.things) == (1200, 800)
    best = gateways.best.law
    assert best.family == "lognormal"
    assert best.a == pytest.approx(90, rel=0.05)
    assert best.b == pytest.approx(0.5, rel=0.08)
    best = sensors.best.law
    assert best.family == "weibull"
    assert best.a == pytest.approx(2.5, rel=0.1)
    assert best.b == pytest.approx(200, rel=0.05)
    assert gateways.failing.steps == 3
    assert gateways.shares.fail == pytest.approx(0.06, abs=0.02)
    assert gateways.shares.reject == pytest.approx(0.01, abs=0.01)
    assert gateways.shares.hang == pytest.approx(0.04, abs=0.015)
    assert not gateways.apart
    assert sensors.apart
    first, second = sensors.by_attempt
    assert first.fail == pytest.approx(0.3, abs=0.04)
    assert second.fail == pytest.approx(0.08, abs=0.05)
    assert all(cohort.p is not None and cohort.p > 0.02 for cohort in fitted.cohorts)


def test_the_fit_finds_the_jobs_configuration(fitted: Fitted) -> None:
    scenario = loads(fitted.text).scenario
    assert scenario.create_job_request("arn")["timeoutConfig"] == {"inProgressTimeoutInMinutes": 10}
    assert scenario.create_job_request("arn")["jobExecutionsRolloutConfig"] == {
        "maximumPerMinute": 500
    }
    assert fitted.settings.retries == {"FAILED": 1}
    assert fitted.jobs == {"firmware": fitted.executions}


def test_a_rehearsal_of_the_fit_is_like_the_original(
    original: tuple[Finished, Path], fitted: Fitted
) -> None:
    again = kept(rehearse(Resolved.of(loads(fitted.text), 6, None)))
    rows = kept(original[0])
    assert len(again) == pytest.approx(len(rows), rel=0.04)
    statuses: tuple[Status, ...] = ("SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT")
    for status in statuses:
        assert share(again, status) == pytest.approx(share(rows, status), abs=0.02), status
    assert median(again) == pytest.approx(median(rows), rel=0.05)
    end, was = again.columns["updated"].max(), rows.columns["updated"].max()
    assert end == pytest.approx(was, rel=0.25)


def test_every_format_tells_the_same(original: tuple[Finished, Path]) -> None:
    """The events alone tell neither starts nor rates; with any list they add nothing wrong."""
    texts = {form: exported(original[1], form) for form in (LIST_FOR_JOB, LIST_FOR_THING, EVENTS)}
    one = fit_texts([texts[LIST_FOR_JOB]], Wanted(bootstrap=0, job_id=None)).cohorts[0]
    for sources in ([texts[LIST_FOR_THING]], [texts[LIST_FOR_JOB], texts[EVENTS]]):
        other = fit_texts(sources, Wanted(bootstrap=0)).cohorts[0]
        assert (other.things, other.statuses) == (one.things, one.statuses)
        assert other.best == one.best
    alone = fit_texts([texts[EVENTS]], Wanted(bootstrap=0))
    assert alone.cohorts[0].statuses == one.statuses
    assert any("known from their events alone" in note for note in alone.notes)


def test_the_same_input_gives_the_same_fit(original: tuple[Finished, Path], fitted: Fitted) -> None:
    sources = [exported(original[1], form) for form in (DESCRIBE, LIST_FOR_JOB)]
    again = fit_texts(sources, Wanted(by="prefix", bootstrap=19))
    assert again.text.splitlines()[2:] == fitted.text.splitlines()[2:]
    assert [c.p for c in again.cohorts] == [c.p for c in fitted.cohorts]
