"""``jobfleet try-agent``: the verdicts on good and bad agents, end to end and case by case."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import Rejection, UsageError
from simulator.host import Exchange, Fault
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    CancelJobRequest,
    CreateJobRequest,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.model import Status
from simulator.trial import CopyVerdict, Witness
from simulator.trying import check_command, filled
from tests.processes import JOBFLEET, jobfleet, said, started
from tests.small_agent import MANNERS

AGENT = [sys.executable, "tests/small_agent.py", "{endpoint}", "{http}", "{thing}"]
DISTURBED = """\
fleet: [{cohort: x, things: 6, work: {duration: 1s}}]
job: {document: {}, jobId: J}
service:
  - {name: other, second_writer: true, every: 50ms}
load: {time_scale: 1, until: 1h}
"""


@pytest.fixture
def disturbed(tmp_path: Path) -> Path:
    path = tmp_path / "disturbed.yaml"
    path.write_text(DISTURBED)
    return path


# ------------------------------------------------------------------------------- end to end


def failed(copy: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["why"] for check in copy["checks"] if not check["passed"]}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """One trial of six copies, each with a manner of its own."""
    directory = tmp_path_factory.mktemp("tried")
    scenario = directory / "disturbed.yaml"
    scenario.write_text(DISTURBED)
    out = directory / "out"
    done = jobfleet("try-agent", scenario, "--json", "--timeout", "6", "--out", out, "--", *AGENT)
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout), out


def verdict_on(tried: tuple[Any, Path], manner: str) -> dict[str, Any]:
    copy = tried[0]["copies"][MANNERS.index(manner)]
    assert isinstance(copy, dict)
    return copy


def test_a_good_agent_passes_through_conflicts(tried: tuple[Any, Path]) -> None:
    copy = verdict_on(tried, "good")
    assert (copy["passed"], failed(copy)) == (True, {})
    assert copy["conflicts"] == copy["resolved"] >= 1
    assert [e["status"] for e in copy["executions"]] == ["SUCCEEDED"]
    assert copy["exit_code"] is None


def test_who_ignores_a_conflict_has_lost_its_work(tried: tuple[Any, Path]) -> None:
    wrong = failed(verdict_on(tried, "ignores conflicts"))
    assert set(wrong) == {"finished", "conflicts", "lost work"}
    assert wrong["finished"] == "job J is IN_PROGRESS"
    assert wrong["lost work"] == "SUCCEEDED of job J was reported and never accepted"


def test_who_reports_after_the_end_is_caught(tried: tuple[Any, Path]) -> None:
    wrong = failed(verdict_on(tried, "goes on after the end"))
    assert wrong["lost work"] == "IN_PROGRESS after job J had SUCCEEDED"
    assert wrong["transitions"] == "SUCCEEDED → IN_PROGRESS of job J"
    assert "finished" not in wrong


def test_who_sets_what_no_device_may_is_caught(tried: tuple[Any, Path]) -> None:
    wrong = failed(verdict_on(tried, "forbidden"))
    assert wrong == {"transitions": "IN_PROGRESS → REMOVED of job J"}


def test_who_dies_leaves_its_exit_code(tried: tuple[Any, Path]) -> None:
    wrong = failed(verdict_on(tried, "dies"))
    assert wrong["process"] == "ended with exit code 3"
    assert wrong["lost work"] == "job J was left IN_PROGRESS"


def test_who_never_asks_has_not_finished(tried: tuple[Any, Path]) -> None:
    assert failed(verdict_on(tried, "idle"))["finished"].startswith("job J is QUEUED")


def test_the_folder_keeps_what_was_printed_and_the_verdict(tried: tuple[Any, Path]) -> None:
    trial, out = tried
    assert json.loads((out / "verdict.json").read_text()) == trial
    assert (out / "x-000000.log").read_text().startswith("x-000000 is here: good")
    assert trial["ended"] == "time was up"
    assert trial["incidents"]["other"] > 0


def test_all_pass_is_code_0_and_a_verdict_in_words(disturbed: Path, tmp_path: Path) -> None:
    done = jobfleet("try-agent", disturbed, "--copies", "1", "--out", tmp_path / "o", "--", *AGENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed  x-000000  J SUCCEEDED;" in done.stdout
    assert "Ended: the jobs ended" in done.stdout
    assert f"Verdict: passed\nRun directory: {tmp_path / 'o'}" in done.stdout


def test_the_last_words_of_a_failed_copy_are_shown(disturbed: Path, tmp_path: Path) -> None:
    agent = [sys.executable, "-c", "import sys; print('no {such} file'); sys.exit(9)"]
    done = jobfleet("try-agent", disturbed, "--copies", "2", "--out", tmp_path / "o", "--", *agent)
    assert done.returncode == 2  # {such} is no placeholder
    agent[-1] = "import sys; print('no such file'); sys.exit(9)"
    done = jobfleet("try-agent", disturbed, "--copies", "2", "--out", tmp_path / "o", "--", *agent)
    assert done.returncode == 1
    assert "Ended: every copy ended" in done.stdout
    assert "process: ended with exit code 9\n        | no such file" in done.stdout
    assert "Verdict: FAILED, 2 of 2 copies" in done.stdout


def test_over_tls_a_copy_has_a_certificate(disturbed: Path, tmp_path: Path) -> None:
    code = (
        "import http.client, json, ssl, sys\n"
        "host, port, thing, ca, cert, key = sys.argv[1:]\n"
        "context = ssl.create_default_context(cafile=ca)\n"
        "context.load_cert_chain(cert, key)\n"
        "def say(method, job, **members):\n"
        "    link = http.client.HTTPSConnection(host, int(port), context=context)\n"
        "    link.request(method, f'/things/{thing}/jobs/{job}', json.dumps(members))\n"
        "    return json.loads(link.getresponse().read())\n"
        "say('PUT', '$next')\n"
        "say('POST', 'J', status='SUCCEEDED')\n"
    )
    script = tmp_path / "agent.py"
    script.write_text(code)
    names = ("{endpoint}", "{http}", "{thing}", "{ca}", "{cert}", "{key}")
    agent = [sys.executable, str(script), *names]
    done = jobfleet(
        "try-agent", disturbed, "--copies", "2", "--tls", "--out", tmp_path / "o", "--", *agent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("J SUCCEEDED") == 2


def test_an_interrupt_ends_the_agents_too(disturbed: Path, tmp_path: Path) -> None:
    code = "import os, signal, time; signal.signal(signal.SIGTERM, lambda *_: None);"
    code += "print(os.getpid(), flush=True); time.sleep(600)"
    command = [
        *JOBFLEET,
        "try-agent",
        str(disturbed),
        "--copies",
        "1",
        "--out",
        str(tmp_path / "o"),
    ]
    with started([*command, "--", sys.executable, "-c", code]) as process:
        said(process.stderr, "copies: 1")
        log = tmp_path / "o" / "x-000000.log"
        for _ in range(500):
            if log.exists() and log.read_text().strip():
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "./nowhere"], "cannot start ./nowhere: No such file or directory"),
        (["--", "a", "{host}"], "{host} is no placeholder; there are {endpoint}, {port}"),
        (["--", "a", "{cert}"], "{cert} needs --tls, which makes certificates"),
    ],
)
def test_what_cannot_be_meant_is_code_2(
    arguments: list[str], message: str, disturbed: Path, tmp_path: Path
) -> None:
    done = jobfleet("try-agent", disturbed, "--out", tmp_path / "o", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_braces_of_others_are_left_alone() -> None:
    assert filled('{"thing": "{thing}", "a": {}}', {"thing": "T"}) == '{"thing": "T", "a": {}}'
    check_command(('{"a": {"b": 1}}',), tls=False)
    with pytest.raises(UsageError):
        check_command(("{thin}",), tls=False)


# ------------------------------------------------------------------------------- the verdict


class Device:
    """A thing with a job, whose requests a witness sees."""

    def __init__(self) -> None:
        self.service = JobsService()
        self.service.registry.create_thing("T")
        target = self.service.registry.thing_arn("T")
        self.service.create_job("J", CreateJobRequest([target], "{}"), 0.0)
        self.witness = Witness(self.service, "T")
        request = StartNextPendingJobExecutionRequest()
        self.service.start_next_pending_job_execution("T", request, 0.0)
        self._saw("StartNextPendingJobExecution", None, "accepted", None)

    def report(self, status: Status, version: int | None = None, fault: Fault | None = None) -> str:
        update = UpdateJobExecutionRequest(status, expected_version=version)
        outcome = "accepted"
        try:
            self.service.update_job_execution("T", "J", update, 0.0)
        except Rejection as rejection:
            outcome = rejection.code
        self._saw("UpdateJobExecution", update, outcome, fault)
        return outcome

    def other(self) -> None:
        """Somebody else writes."""
        self.service.update_job_execution("T", "J", UpdateJobExecutionRequest("IN_PROGRESS"), 0.0)

    def verdict(self) -> CopyVerdict:
        return self.witness.verdict([None])

    def wrong(self) -> dict[str, str]:
        return {check.name: check.why for check in self.verdict().checks if not check.passed}

    def _saw(
        self,
        operation: str,
        update: UpdateJobExecutionRequest | None,
        outcome: str,
        fault: Fault | None,
    ) -> None:
        self.witness.saw(Exchange("T", "J", operation, update, outcome, fault))


def test_a_repeated_end_whose_reply_was_lost_is_forgiven_and_a_third_one_is_not() -> None:
    device = Device()
    assert device.report("SUCCEEDED", None, "lose-reply") == "accepted"
    assert device.report("SUCCEEDED") == "InvalidStateTransition"
    assert device.wrong() == {}
    device.report("SUCCEEDED")
    assert device.wrong() == {
        "transitions": "SUCCEEDED → SUCCEEDED of job J",
        "lost work": "SUCCEEDED after job J had SUCCEEDED",
    }


def test_a_repeated_end_with_its_version_is_a_conflict_that_is_resolved_by_itself() -> None:
    device = Device()
    device.report("SUCCEEDED", 2, "lose-reply")
    assert device.report("SUCCEEDED", 2) == "VersionMismatch"
    assert (device.wrong(), device.verdict().conflicts, device.verdict().resolved) == ({}, 1, 1)


def test_a_conflict_is_resolved_by_the_report_that_is_taken_after_it() -> None:
    device = Device()
    device.other()
    device.report("IN_PROGRESS", 2)
    device.report("IN_PROGRESS", 2)
    verdict = device.verdict()
    assert (verdict.conflicts, verdict.resolved) == (2, 0)
    assert device.wrong()["conflicts"].startswith("2 VersionMismatches of job J")
    device.report("SUCCEEDED", 3)
    assert (device.wrong(), device.verdict().resolved) == ({}, 2)


def test_what_the_owner_cancelled_is_nobodys_fault_once() -> None:
    device = Device()
    device.service.cancel_job("J", CancelJobRequest(), True, 0.0)
    device.report("SUCCEEDED")
    assert device.wrong() == {}
    device.report("SUCCEEDED")
    assert device.wrong()["lost work"] == "SUCCEEDED after job J had CANCELED"


def test_work_whose_end_came_too_late_is_lost() -> None:
    device = Device()
    device.other()
    device.report("SUCCEEDED", 2)  # in vain, and nothing more
    execution = device.service.execution("T", "J")
    device.service.change(execution, "TIMED_OUT", "service", 1.0)
    wrong = device.wrong()
    assert wrong["finished"] == "job J is TIMED_OUT"
    assert wrong["lost work"] == "SUCCEEDED of job J was reported and never accepted"


def test_an_agent_may_fail_properly() -> None:
    device = Device()
    device.report("FAILED", 2)
    assert device.verdict().passed


def test_each_of_two_copies_that_share_a_thing_may_be_told_once_that_it_is_over() -> None:
    device = Device()
    device.witness.copies = 2
    device.report("SUCCEEDED", 2)  # one is told that this is the end
    device.report("SUCCEEDED", 2)  # the other one finds out
    assert device.wrong() == {}
    device.report("SUCCEEDED", 2)
    assert device.wrong() == {"lost work": "SUCCEEDED after job J had SUCCEEDED"}


def test_two_copies_of_a_good_agent_share_a_thing(disturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    done = jobfleet(
        "try-agent", disturbed, "--copies", "1", "--per-thing", "2", "--json", "--out", out, "--",
        *AGENT, "{copy}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [verdict] = json.loads(done.stdout)["copies"]
    assert verdict["outputs"] == [str(out / "x-000000.log"), str(out / "x-000000-2.log")]
    assert "copies: 2, 2 on one thing" in done.stderr
