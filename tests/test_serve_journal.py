"""``jobfleet serve --journal`` as a user starts it: killed in the midst of updates, and full."""

import json
import resource
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from simulator.endpoints.journal import commands
from tests.mosquitto import free_port
from tests.processes import JOBFLEET, ROOT

UPDATES: Final = 150
KILLS: Final = (20, 71, 113)
"""At how many updates the service is killed, in their midst."""


@contextmanager
def kept(journal: Path, port: int, **more: Any) -> Iterator[subprocess.Popen[str]]:
    command = [*JOBFLEET, "serve", "--mqtt-port", "0", "--http-port", str(port), "--json"]
    command += ["--journal", str(journal)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, **more
    ) as process:
        try:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            yield process
        finally:
            process.kill()
            process.wait(10)


def asked(session: requests.Session, port: int, method: str, path: str, body: Any = None) -> Any:
    url = f"http://127.0.0.1:{port}{path}"
    return session.request(method, url, json=body, timeout=10)


@pytest.mark.slow
def test_what_a_thing_was_told_is_there_after_a_kill(tmp_path: Path) -> None:
    """Killed at three moments in a loop of updates: nothing is lost or done twice."""
    journal, port, told, kills = tmp_path / "journal", free_port(), 2, list(KILLS)
    while told < UPDATES:
        with kept(journal, port) as process, requests.Session() as session:
            if kills == list(KILLS):
                asked(session, port, "POST", "/things/T")
                arn = "arn:aws:iot:us-east-1:123456789012:thing/T"
                asked(session, port, "PUT", "/jobs/J", {"targets": [arn], "document": "{}"})
                asked(session, port, "PUT", "/things/T/jobs/$next", {})
            shown = asked(session, port, "GET", "/things/T/jobs/J").json()["execution"]
            # the last one may have been done, and its answer lost
            assert told <= shown["versionNumber"] <= told + 1
            told = shown["versionNumber"]
            killer = None
            while told < UPDATES:
                if kills and told >= kills[0]:
                    kills.pop(0)
                    killer = threading.Thread(target=process.kill)
                    killer.start()
                update = {"status": "IN_PROGRESS", "expectedVersion": told,
                          "statusDetails": {"at": str(told)}}  # fmt: skip
                try:
                    answer = asked(session, port, "POST", "/things/T/jobs/J", update)
                except requests.RequestException:
                    break
                assert answer.status_code == 200, answer.text
                told += 1
            if killer is not None:
                killer.join()
    assert kills == []
    updates = [command[5] for command in commands(journal) if command[3] == "/things/T/jobs/J"]
    done = [json.loads(body)["expectedVersion"] for body in updates]
    assert done == list(range(2, UPDATES))


@pytest.mark.slow
def test_a_service_that_cannot_write_its_journal_ends_and_says_so(tmp_path: Path) -> None:
    journal, port = tmp_path / "journal", free_port()

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    with kept(journal, port, preexec_fn=small) as process, requests.Session() as session:
        answers = []
        for number in range(100):
            try:
                answers.append(asked(session, port, "POST", f"/things/T{number}").status_code)
            except requests.RequestException:
                break
        assert process.wait(10) == 2
        assert process.stderr is not None
        assert f"cannot write the journal {journal}: " in process.stderr.read()
    made = sum(1 for _ in commands(journal))
    assert answers[:made] == [200] * made
    assert set(answers[made:]) <= {500}
    assert 5 < made < 100
