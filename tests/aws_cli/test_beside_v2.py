"""Our commands beside the real AWS CLI, version 2: stdout, stderr and exit code."""

import pytest

from tests.aws_cli.beside import Said, run_both, why_not
from tests.aws_cli.cases import CASES

REASON = why_not()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # some 290 command lines with each: a minute of two processors
    pytest.mark.skipif(REASON is not None, reason=f"no AWS CLI v2 to compare with: {REASON}"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Said, Said]]:
    return run_both(tmp_path_factory.mktemp("aws"))


@pytest.mark.parametrize("name", CASES)
def test_the_same_as_the_aws_cli(name: str, answers: dict[str, tuple[Said, Said]]) -> None:
    theirs, ours = answers[name]
    case = CASES[name]
    assert ours.code == theirs.code, f"{ours}\n{theirs}"
    if case.out:
        assert ours.out == theirs.out
    if case.err:
        assert ours.err == theirs.err
