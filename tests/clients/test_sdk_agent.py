"""The example agent on AWS's device SDK, tried: it survives what its page says that it survives."""

import json
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, jobfleet

pytestmark = pytest.mark.slow

NAMES = ("endpoint", "port", "thing")
AGENT = [sys.executable, "docs/examples/sdk_agent.py", "--steps", "4", "--step-seconds", "1"]
TROUBLE = ROOT / "docs" / "examples" / "trouble.yaml"


@pytest.mark.parametrize("tls", [False, True])
def test_the_example_agent_survives(tls: bool, tmp_path: Path) -> None:
    names = (*NAMES, "ca", "cert", "key") if tls else NAMES
    places = [word for name in names for word in (f"--{name}", f"{{{name}}}")]
    options = ["--json", "--timeout", "60", "--out", str(tmp_path / "out")]
    if tls:
        options.append("--tls")
    done = jobfleet("try-agent", TROUBLE, *options, "--", *AGENT, *places)
    assert done.returncode == 0, done.stdout + done.stderr
    trial = json.loads(done.stdout)
    for copy in trial["copies"]:
        assert [e["status"] for e in copy["executions"]] == ["SUCCEEDED"]
        assert copy["conflicts"] == copy["resolved"]
    assert sum(copy["conflicts"] for copy in trial["copies"]) > 0
