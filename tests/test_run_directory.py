"""The run directory: found out before the run, whole files, nothing of others replaced."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulator.errors import UsageError
from simulator.run import Finished, Resolved, RunDirectory, rehearse
from simulator.run_directory import RESULTS, SCENARIO, Folder
from simulator.scenario import loads
from simulator.today import utc_now

NAMES = (SCENARIO, *RESULTS)
TEXT = (
    "fleet: [{cohort: g, things: 3, work: {duration: 1s}}]\n"
    "job: {document: {}}\nload: {until: 1h}\n"
)


@pytest.fixture(scope="module")
def finished() -> Finished:
    return rehearse(Resolved.of(loads(TEXT), None, None))


@pytest.mark.parametrize("where", ["/sys/kernel", "/proc/jobfleet", "/dev/null", "/dev/null/x"])
def test_where_nothing_can_be_written_is_found_out_at_once(where: str) -> None:
    with pytest.raises(UsageError, match=f"cannot make the run directory {where}: "):
        RunDirectory(Path(where), "x")


def test_an_earlier_run_is_replaced_and_all_else_left(tmp_path: Path, finished: Finished) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    RunDirectory(tmp_path, "x").write(finished, utc_now())
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"notes.txt", *NAMES}
    (tmp_path / "locust_stats.csv").write_text("a,b")
    again = RunDirectory(tmp_path, "x")
    # a run that is killed now does not leave the earlier one's verdict as its own
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"notes.txt", "scenario.yaml", "locust_stats.csv"}
    again.write(finished, utc_now())
    assert {path.name for path in tmp_path.iterdir()} == files | {"locust_stats.csv"}
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_others_is_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEXT)
    with pytest.raises(UsageError, match=f"{name} is not from a run of jobfleet"):
        RunDirectory(tmp_path, "x")
    assert (tmp_path / name).read_text() == TEXT


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "x")
    folder.write("a", lambda file: file.write(b"first"))

    def breaks(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"cannot write .*/a: No space left on device"):
        folder.write("a", breaks)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]


def test_runs_that_begin_at_once_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: RunDirectory(None, "x").path, range(40)))
    assert sorted(map(str, paths)) == [f"runs/x-{at:03d}" for at in range(1, 41)]


def test_a_name_that_is_used_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simulator.run_directory.MOST", 3)
    assert [RunDirectory(None, "x").path.name for _ in range(2)] == ["x-001", "x-002"]
    with pytest.raises(UsageError, match="runs holds 2 runs of x"):
        RunDirectory(None, "x")
    Path("runs/y-001").write_text("a file")
    assert RunDirectory(None, "y").path.name == "y-002"


def test_runs_that_is_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").write_text("a file")
    with pytest.raises(UsageError, match="cannot make the run directory runs"):
        RunDirectory(None, "x")
