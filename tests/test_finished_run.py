import json
from pathlib import Path

import numpy as np
import pytest

from simulator.errors import UsageError
from simulator.finished_run import read
from simulator.run import Rehearsal, Resolved, RunDirectory
from simulator.scenario import load
from simulator.today import utc_now

SMOKE = Path(__file__).parents[1] / "scenarios" / "smoke.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    resolved = Resolved.of(load(SMOKE), 7, 20)
    directory = RunDirectory(tmp_path / "run", resolved.name)
    directory.write(Rehearsal(resolved).run(), utc_now())
    return directory.path


def test_a_run_directory_is_read_back_whole(folder: Path) -> None:
    run = read(folder)
    assert (run.summary.seed, run.summary.things, run.live) == (7, 20, False)
    assert run.loaded.scenario.things == 20
    updates = run.summary.requests["UpdateJobExecution"].sent
    assert np.count_nonzero(run.records["operation"] == 4) == updates
    assert run.executions is not None
    assert len(run.executions) == sum(run.summary.executions.values())


def _without(name: str, folder: Path) -> None:
    (folder / name).unlink()


def _format(folder: Path) -> None:
    about = json.loads((folder / "machine.json").read_text())
    about |= {"format": 99, "versions": {"jobfleet": "9.9"}}
    (folder / "machine.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda folder: folder.rename(folder.parent / "gone"), "there is no such folder"),
        (lambda folder: _without("scenario.yaml", folder), "it has no scenario.yaml"),
        (lambda folder: (folder / "scenario.yaml").write_text("a: 1\n"), "somebody else's"),
        (lambda folder: _without("summary.json", folder), "half written"),
        (lambda folder: _without("machine.json", folder), "half written"),
        (lambda folder: (folder / "machine.json").write_text("[]"), "it is no object"),
        (_format, "written by jobfleet 9.9"),
        (lambda folder: (folder / "summary.json").write_text('{"seed": 1'), "summary.json cannot"),
        (lambda folder: (folder / "summary.json").write_text("{}"), "missing required field"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_sentence(
    folder: Path, breaks: object, says: str
) -> None:
    assert callable(breaks)
    breaks(folder)
    with pytest.raises(UsageError) as refused:
        read(folder)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive"])
def test_damaged_records_are_refused(folder: Path, content: bytes) -> None:
    (folder / "records.npz").write_bytes(content)
    with pytest.raises(UsageError, match=r"records\.npz cannot be read"):
        _ = read(folder).records
