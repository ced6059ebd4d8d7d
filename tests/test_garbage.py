"""The garbage collector during rehearsals and in a service, and the cycles that nobody leaves."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.endpoints.http11 import HttpConnection
from simulator.garbage import YOUNG, frozen_garbage, short_pauses
from simulator.jobs.model import Job
from simulator.run import Rehearsal, Resolved
from simulator.scenario import loads
from tests.doors_in_thread import Raw, get, served
from tests.jobs.small_service import create, drain, service_with


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_as_it_was(enabled: bool) -> None:
    if not enabled:
        gc.disable()
    try:
        with frozen_garbage():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


def test_a_service_walks_through_what_is_new_only() -> None:
    before, watching = gc.get_threshold(), len(gc.callbacks)
    gc.collect()
    with short_pauses():
        assert gc.get_threshold() == YOUNG
        assert gc.isenabled()
        frozen = gc.get_freeze_count()
        made = [[number] for number in range(100)]
        gc.collect(1)
        assert gc.get_freeze_count() == frozen  # young things may still be garbage
        gc.collect()
        assert gc.get_freeze_count() >= frozen + len(made)
    assert gc.get_freeze_count() == 0
    assert (gc.get_threshold(), len(gc.callbacks)) == (before, watching)


@contextmanager
def no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class WatchedJob(Job):
    """A job that can be watched: ``Job`` itself has no room for it."""

    __slots__ = ("__weakref__",)


def test_a_deleted_job_needs_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.jobs.control_plane.Job", WatchedJob)
    monkeypatch.setattr("simulator.jobs.lifecycle.LET_GO", 100)
    with no_collector():
        service = service_with(1000)
        create(service)
        drain(service)
        gone = weakref.ref(service.job("J"))
        service.delete_job("J", True, 1.0)
        assert 0 < len(service.job("J").executions) < 1000  # the first slice is let go already
        drain(service, 1.0)
        service.effects.clear()
        assert "J" not in service.jobs
        assert gone() is None


UPGRADE = (
    "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


@pytest.mark.parametrize(
    "request_bytes", [get("/health"), get("/health", "Connection: close"), get("/mqtt", *UPGRADE)]
)
def test_a_lost_connection_needs_no_collector(
    request_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(HttpConnection):
        __slots__ = ("__weakref__",)

    made: list[weakref.ref[Watched]] = []

    def connection(*arguments: object) -> Watched:
        one = Watched(*arguments)  # type: ignore[arg-type]
        made.append(weakref.ref(one))
        return one

    monkeypatch.setattr("simulator.endpoints.http.HttpConnection", connection)
    with no_collector():
        with served() as up, Raw(up.addresses.http) as client:
            client.send(request_bytes)
            assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 ")
        assert [one() for one in made] == [None]


def test_a_rehearsal_leaves_nothing_for_the_collector() -> None:
    """Whatever befell its requests: exceptions keep frames, and frames whole services."""
    text = (
        "fleet: [{cohort: g, things: 200, work: {duration: 60s, steps: 3, step_timeout: 2m},\n"
        "         outcome: {hang: 5%, fail: 5%}}]\n"
        "network: {latency: 40ms, lost_replies: 20%, lost_requests: 10%, duplicated: 5%,\n"
        "          reordered: 5%}\n"
        "job: {document: {}, timeoutConfig: {inProgressTimeoutInMinutes: 5}}\nload: {until: 1h}\n"
    )
    rehearsal = Rehearsal(Resolved.of(loads(text), None, None))
    gc.collect()
    gc.disable()
    try:
        rehearsal.run()
        left = [type(one).__name__ for one in gc.get_objects()]
    finally:
        gc.enable()
    assert [left.count(name) for name in ("MemoryLink", "JobExecution")] == [0, 0]
