"""A small reconnect storm, with the body of ``make storm``: nothing lost, nothing done twice."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from benchmarks.storm import Ledger, compare, restarted_broker, restarted_service
from simulator.results import ACCEPTED, DTYPE, NO_REPLY, UPDATE, Records
from tests.mosquitto import needs_mosquitto

THINGS: Final = 200
SCENARIO: Final = """\
fleet:
  - cohort: g
    things: 200
    work: {duration: {distribution: uniform, low: 2500ms, high: 3s}, steps: 20}
network: {reply_timeout: 1s, backoff: {base: 100ms, maximum: 500ms}}
job: {document: {}}
load: {ramp: 1000/s, until: 60s, max_slip: 60s}
expect: {succeeded: "== 100%", unfinished: "== 0"}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "storm", [restarted_service, pytest.param(restarted_broker, marks=needs_mosquitto)]
)
def test_all_come_back_with_everything_that_they_were_told(
    storm: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = tmp_path / "storm.yaml"
    scenario.write_text(SCENARIO)
    monkeypatch.setattr("benchmarks.storm.AWAY_S", 0.2)
    happened = storm(scenario, THINGS, tmp_path / "out", spell_s=0.5)  # type: ignore[operator]
    assert happened.exit_code == 0, happened.said
    assert len(happened.back()) == THINGS
    ledger = happened.ledger()
    assert (ledger.lost, ledger.twice, ledger.unheard) == (0, 0, 0)
    assert ledger.told >= 0.9 * THINGS * 20


def test_two_accounts_that_differ_are_told_apart(tmp_path: Path) -> None:
    """Else the storm would find nothing, whatever happened."""
    journal = tmp_path / "journal"

    def told(outcomes: tuple[int, ...]) -> Records:
        records = np.zeros(len(outcomes), DTYPE)
        records["operation"], records["outcome"] = UPDATE, outcomes
        return records

    def done(*versions: int) -> None:
        lines = [f'[1.0,"update","t0","J",{{"expectedVersion":{one}}}]' for one in versions]
        journal.write_text("\n".join(["{}", *lines, ""]))

    cases = [
        ((2, 3), (ACCEPTED, ACCEPTED), Ledger(2, 2, 0, 0, 0)),
        ((2,), (ACCEPTED, ACCEPTED), Ledger(2, 1, 1, 0, 0)),
        ((2, 2), (ACCEPTED, NO_REPLY), Ledger(1, 2, 0, 1, 0)),
        ((2, 3), (ACCEPTED, NO_REPLY), Ledger(1, 2, 0, 0, 0)),
        ((2, 3), (ACCEPTED,), Ledger(1, 2, 0, 0, 1)),
        ((2, 4), (ACCEPTED, ACCEPTED), Ledger(2, 2, 1, 0, 0)),
    ]
    for versions, outcomes, expected in cases:
        done(*versions)
        assert compare(told(outcomes), ["t0"], journal) == expected
