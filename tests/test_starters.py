from pathlib import Path

import pytest

from simulator.errors import UsageError
from simulator.starters import scenarios, write
from tests.processes import ROOT


def test_the_scenarios_of_the_repository_are_written(tmp_path: Path) -> None:
    written = write(tmp_path / "new" / "folder")
    assert {path.name for path in written} == {p.name for p in (ROOT / "scenarios").glob("*.yaml")}
    assert all(path.read_bytes() == scenarios()[path.name] for path in written)
    assert write(tmp_path / "new" / "folder") == written  # the same again harms nobody


def test_what_is_there_and_differs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "smoke.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"1 files are there already and differ \(smoke\.yaml\)"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["smoke.yaml"]


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        write(tmp_path / "file" / "below")
