"""A service's journal: what it keeps, what it does again, and what it refuses."""

import asyncio
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from simulator.clock import VirtualLoop
from simulator.endpoints.journal import Identity, Journal, JournalledHost, commands
from simulator.errors import InternalError, Rejection, UsageError
from simulator.jobs import JobsService
from simulator.jobs.messages import (
    DescribeJobExecutionRequest,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
)
from simulator.jobs.model import Status
from simulator.jobs.rest import Request, Rest
from simulator.jobs.wire import Wire

EPOCH = 1_767_225_600.0
IDENTITY = Identity(EPOCH, 1.0, "aws")
STATUSES: tuple[Status, ...] = ("IN_PROGRESS", "IN_PROGRESS", "FAILED", "SUCCEEDED")
THINGS = [f"t{number}" for number in range(6)]
JOB: dict[str, Any] = {
    "targets": [f"arn:aws:iot:us-east-1:123456789012:thing/{name}" for name in THINGS],
    "document": "{}",
    "timeoutConfig": {"inProgressTimeoutInMinutes": 2},
    "jobExecutionsRolloutConfig": {"maximumPerMinute": 3},
    "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 2}]},
}


def opened(path: Path, calendar: float = 1000.0, **changed: object) -> Journal:
    identity = msgspec.structs.replace(IDENTITY, **changed)
    return Journal(path, identity, calendar, "1", epoch=None)


def described(item: object, known: dict[int, int]) -> object:
    """All that hangs on an object, told apart by its contents alone."""
    if item is None or isinstance(item, (str, bytes, int, float, type)):
        return item
    if id(item) in known:
        return known[id(item)]
    known[id(item)] = len(known)
    if isinstance(item, dict):
        return [(described(key, known), described(value, known)) for key, value in item.items()]
    if isinstance(item, (list, tuple, set, frozenset)) or type(item).__name__ == "deque":
        return [described(one, known) for one in item]  # type: ignore[attr-defined]  # a deque
    slots = {name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ())}
    names = sorted(slots | set(getattr(item, "__dict__", {})))
    members = [(name, described(getattr(item, name, None), known)) for name in names]
    return [type(item).__name__, members]


def state(service: JobsService) -> object:
    """With its agenda tidied."""
    return service.next_deadline(), described(service, {})


@contextmanager
def hosted(path: Path, calendar: float = 1000.0) -> Iterator[tuple[JournalledHost, Rest]]:
    """A service with a journal, in virtual time."""
    loop = VirtualLoop()  # type: ignore[abstract]
    journal = opened(path, calendar)
    asyncio.set_event_loop(loop)
    service = JobsService(epoch=EPOCH)
    rest = Rest(service, Wire(EPOCH))
    try:
        host = JournalledHost(service, loop, 1.0, lambda: 0.0, journal)
        host.resume(rest, calendar)
        yield host, rest
        host.close()
    finally:
        journal.close()
        asyncio.set_event_loop(None)
        loop.close()


def do_something(host: JournalledHost, rest: Rest, dice: np.random.Generator) -> None:
    """One command, good or bad, of a client's."""
    name, choice = THINGS[dice.integers(len(THINGS))], dice.integers(10)
    try:
        if choice < 2:
            host.handle(name, None, StartNextPendingJobExecutionRequest({"at": str(choice)}))
        elif choice < 7:
            status = STATUSES[dice.integers(len(STATUSES))]
            step = (None, 1, -1)[dice.integers(3)] if status == "IN_PROGRESS" else None
            version = (None, 2, 3)[dice.integers(3)]
            details = {"p": "x"}
            update = UpdateJobExecutionRequest(status, details, step, expected_version=version)
            host.handle(name, f"J{dice.integers(2)}", update)
        elif choice == 7:
            host.handle(name, "$next", DescribeJobExecutionRequest())
        else:
            paths = (f"/things/{name}/jobs/J0/cancel", f"/jobs/J{dice.integers(2)}", "/nowhere")
            methods, at = ("PUT", "GET", "PUT"), dice.integers(3)
            host.respond(rest, Request(methods[at], paths[at], "", b"{}", "iot"))
    except Rejection:
        pass  # changed nothing
    host.publish()


def a_busy_hour(path: Path) -> list[tuple[int, object]]:
    """The journal's size and the service's state after each of its commands."""
    seen: list[tuple[int, object]] = []

    async def hour(host: JournalledHost, rest: Rest) -> None:
        dice = np.random.default_rng(7)
        for name in THINGS:
            host.respond(rest, Request("POST", f"/things/{name}", "", b"", None))
        for job in ("J0", "J1"):
            body = msgspec.json.encode(JOB)
            assert host.respond(rest, Request("PUT", f"/jobs/{job}", "", body, "iot")).status == 200
        for _ in range(300):
            await asyncio.sleep(float(dice.exponential(3.0)))
            do_something(host, rest, dice)
            size = os.path.getsize(path)  # noqa: ASYNC240  # time stands still meanwhile
            if not seen or size > seen[-1][0]:
                seen.append((size, state(host.service)))

    with hosted(path) as (host, rest):
        host._loop.run_until_complete(hour(host, rest))
    return seen


def test_a_journal_cut_anywhere_gives_the_state_of_its_last_whole_command(tmp_path: Path) -> None:
    """A kill leaves a prefix of the file; each is a state that the service was in."""
    whole, part = tmp_path / "whole", tmp_path / "part"
    seen = a_busy_hour(whole)
    kinds = {command[1] for command in commands(whole)}
    assert kinds == {"http", "update", "start", "expire"}
    content = whole.read_bytes()
    for at in range(0, len(seen), 9):
        size, expected = seen[at]
        for more in (0, 1, 40):
            part.write_bytes(content[: size + more])
            with hosted(part) as (host, _):
                if b"\n" not in content[size : size + more]:
                    assert state(host.service) == expected
                assert host.service.effects == []


def test_time_goes_on_while_nobody_serves(tmp_path: Path) -> None:
    """What was due meanwhile is due at the start; a calendar that was set back stops nothing."""
    path = tmp_path / "journal"
    with hosted(path) as (host, rest):
        for name in THINGS:
            host.respond(rest, Request("POST", f"/things/{name}", "", b"", None))
        host.respond(rest, Request("PUT", "/jobs/J0", "", msgspec.json.encode(JOB), "iot"))
        host.handle("t0", None, StartNextPendingJobExecutionRequest())
    with hosted(path, calendar=1000.0 + 125) as (host, _):
        assert host.now() == 125
        host._loop.run_until_complete(asyncio.sleep(0.001))
        assert [one.status for one in host.service.history("t0")] == ["TIMED_OUT", "QUEUED"]
        done_at = host.now()
    with hosted(path, calendar=500.0) as (host, _):
        assert 125 <= host.now() <= done_at
        assert [one.status for one in host.service.history("t0")] == ["TIMED_OUT", "QUEUED"]


def test_what_is_no_journal_of_this_service_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    a_busy_hour(path)
    lines = path.read_bytes().splitlines(keepends=True)
    cases = [
        (b"hello\nworld\n", "is no journal of jobfleet's"),
        (lines[0].replace(b'"journal":1', b'"journal":2'), r"in format 2 .* reads 1"),
        (b"".join([*lines[:20], b"[1,2\n", *lines[20:]]), r"journal:21 cannot be read"),
        (b"".join([*lines[:9], *lines[10:]]), r"journal:\d+ cannot be done again|cannot be read"),
        (b"".join([*lines, b'[9e9,"update","t0","J7",{"status":"FAILED"}]\n']), "ResourceNotFound"),
    ]
    for content, words in cases:
        path.write_bytes(content)
        with pytest.raises(UsageError, match=words) as wrong, hosted(path):
            pass
        assert "\n" not in str(wrong.value)
        assert path.read_bytes() == content
    path.write_bytes(b"".join(lines))
    for changed, words in (
        ({"time_scale": 60.0}, r"--time-scale was 1\.0 and is 60\.0"),
        ({"scenario": "ab"}, r"its digest\) was absent and is ab"),
    ):
        with pytest.raises(UsageError, match=words):
            opened(path, **changed)
    first = opened(path)
    with pytest.raises(UsageError, match="another service is at work with the journal"):
        opened(path)
    first.close()


@pytest.mark.parametrize("short", [False, True])
def test_a_full_disk_ends_the_service_with_all_that_it_answered(
    short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ended = tmp_path / "journal", []
    real = os.write

    def full(file: int, line: bytes) -> int:
        if short:
            return real(file, line[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with hosted(path) as (host, rest):
        host.journal.on_failure = lambda: ended.append(True)
        for name in THINGS:
            host.respond(rest, Request("POST", f"/things/{name}", "", b"", None))
        host.respond(rest, Request("PUT", "/jobs/J0", "", msgspec.json.encode(JOB), "iot"))
        host.publish()
        told: list[object] = []
        host.listeners.append(lambda effect, _: told.append(effect))
        kept = path.read_bytes()
        monkeypatch.setattr(os, "write", full)
        for _ in range(2):
            with pytest.raises(InternalError):
                host.handle("t0", None, StartNextPendingJobExecutionRequest())
            host.publish()
        monkeypatch.undo()
        assert (told, ended, path.read_bytes()) == ([], [True], kept)
        assert "No space left" in str(host.journal.failure)
    shutil.copy(path, tmp_path / "again")
    with hosted(tmp_path / "again") as (host, _):
        assert host.service.execution("t0", "J0", 1).status == "QUEUED"
