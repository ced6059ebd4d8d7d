"""The data plane over HTTP, for devices without MQTT: one kept-alive connection per thing.

Rule 1: connecting is the first look at ``$next``: it opens the connection, and shows that the
        service is there and lets the thing in.
Rule 2: nobody tells a thing of its next execution, so the link looks every ``poll`` seconds
        (jittered by the thing's name) and tells when it is another one; each look is recorded as a
        DescribeJobExecution. An agent that polls by itself is left to it.
Rule 3: what is not an answer of the Jobs service is as good as none: NoReply, and counted.
Rule 4: HTTP has no code for a version conflict and sends no state with it: ``rejection`` knows one
        by its words, and whoever made the update then describes the execution (``caller.py``).
"""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from simulator import errors, results
from simulator.errors import Disconnected, NoReply, Rejection, UsageError
from simulator.jobs.messages import (
    DataReply,
    DataRequest,
    DescribeJobExecutionRequest,
    ExecutionReply,
    GetPendingJobExecutionsRequest,
    Notify,
    NotifyNext,
    PendingReply,
    StartNextPendingJobExecutionRequest,
    UpdateJobExecutionRequest,
    UpdateReply,
)
from simulator.jobs.wire import UNREADABLE, Wire, encode_request
from simulator.refusals import in_words
from simulator.targets import Target
from simulator.world import Listener, Ways

CONNECTIONS: Final = 4
"""Of one agent, at most."""
CONNECTING: Final = 256
KEEP_S: Final = 75.0
SERVICE: Final = "iot-jobs-data"
_VERSIONS: Final = re.compile(r"Expected version \d+ but found version \d+")
_BY_NAME: Final[dict[str, type[Rejection]]] = {
    "InvalidRequestException": errors.InvalidRequest,
    "InvalidStateTransitionException": errors.InvalidStateTransition,
    "ResourceNotFoundException": errors.ResourceNotFound,
    "TerminalStateException": errors.TerminalStateReached,
    "ThrottlingException": errors.RequestThrottled,
}
_BY_STATUS: Final[dict[int, type[Rejection]]] = {
    400: errors.InvalidRequest,
    404: errors.ResourceNotFound,
    409: errors.InvalidStateTransition,
    410: errors.TerminalStateReached,
    429: errors.RequestThrottled,
}

Looked = Callable[[int, float, float], object]
"""Told of each look for what is next: outcome, sent and done on the loop's clock."""


def rejection(status: int, name: str | None, message: str) -> Rejection:
    """What an HTTP error says; 400 or 409 with AWS's words on versions is a version conflict."""
    if status in (400, 409) and _VERSIONS.search(message):
        return errors.VersionMismatch(message)
    kind = _BY_NAME.get((name or "").partition(":")[0]) or _BY_STATUS.get(status)
    return (kind or errors.InternalError)(message)


class HttpNetwork:
    """What the links of one loop share."""

    def __init__(self, target: Target, wire: Wire, reply_timeout: float = 10.0) -> None:
        self.target = target
        self.wire = wire
        self.reply_timeout = reply_timeout
        self.gate = asyncio.Semaphore(CONNECTING)
        self.pace: Callable[[], Awaitable[object]] | None = None
        """Waited for before each look for what is next; a thing's own requests wait elsewhere."""
        self.unreadable = 0
        """Answers that no Jobs service gives."""
        self.strays = 0
        self.refusal = ""
        """Why the last connection did not come about."""
        self.closing: dict[asyncio.Task[None], None] = {}

    async def close(self) -> None:
        """Wait until every connection is closed."""
        await asyncio.gather(*self.closing, return_exceptions=True)


class HttpLink:
    """One thing's connection."""

    def __init__(
        self,
        network: HttpNetwork,
        name: str,
        thing: Listener,
        ways: Ways | None = None,
        looked: Looked | None = None,
    ) -> None:
        self._network = network
        self._name = name
        self._thing = thing
        self._ways = ways or Ways()
        self._looked = looked
        self._session: aiohttp.ClientSession | None = None
        self._looking: asyncio.Task[None] | None = None
        self._seen: object = None
        """What was found at the last look."""
        target = network.target
        self._base = f"{target.scheme}://{target.netloc}/things/{quote(name, safe='')}/jobs"
        self.connected = False
        self.fault = 0

    # ----------------------------------------------------------------------- for the thing

    async def connect(self) -> None:
        """Open the connection by a first look; raise Disconnected where that fails."""
        network = self._network
        self.close()
        try:
            async with network.gate:
                if network.pace is not None:
                    await network.pace()
                tls = network.target.tls(self._name)
                connector = aiohttp.TCPConnector(
                    limit=CONNECTIONS, keepalive_timeout=KEEP_S, ssl=True if tls is None else tls
                )
                self._session = aiohttp.ClientSession(
                    connector=connector, cookie_jar=aiohttp.DummyCookieJar()
                )
                await self._look()
        except (Disconnected, NoReply, UsageError) as error:
            network.refusal = str(error)
            self.close()
            raise Disconnected(str(error)) from None
        except Rejection:
            pass  # somebody is there: what it says of the thing, it will say again
        except BaseException:
            self.close()
            raise
        self.connected = True
        if self._ways.unasked:
            self._looking = asyncio.create_task(self._keep_looking(), name=f"http {self._name}")

    async def call(self, job_id: str | None, request: DataRequest, after: float = 0.0) -> DataReply:
        """Send a request and wait for its answer."""
        if not self.connected:
            raise Disconnected("not connected")
        try:
            return await self._exchange(job_id, request)
        except Disconnected:
            self._lost()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.connected = False
        looking, self._looking = self._looking, None
        if looking is not None and looking is not asyncio.current_task():
            looking.cancel()
        session, self._session = self._session, None
        if session is not None:
            task = asyncio.ensure_future(session.close())
            self._network.closing[task] = None
            task.add_done_callback(self._network.closing.pop)

    def _lost(self) -> None:
        if self.connected:
            self.close()
            self._thing.disconnected()

    # ----------------------------------------------------------------------- one exchange

    async def _exchange(self, job_id: str | None, request: DataRequest) -> DataReply:
        session, network = self._session, self._network
        if session is None:
            raise Disconnected("not connected")
        method, url, body = self._spelt(job_id, request)
        headers = {"content-type": "application/json"} if body else {}
        target = network.target
        if target.signer is not None:
            headers |= target.signer.headers(method, url, body, SERVICE)
        timeout = self._ways.reply_timeout or network.reply_timeout
        try:
            async with asyncio.timeout(timeout):
                async with session.request(
                    method, URL(url, encoded=True), data=body or None,
                    headers=headers, allow_redirects=False,
                ) as response:  # fmt: skip
                    answer = await response.read()
        except TimeoutError:
            raise NoReply(f"{target.netloc}: no reply in time") from None
        except aiohttp.ClientConnectorError as error:
            why = in_words(getattr(error, "certificate_error", None) or error.os_error)
            raise Disconnected(f"cannot connect to {target.netloc}: {why}") from None
        except aiohttp.ClientConnectionError as error:
            raise Disconnected(f"{target.netloc} closed the connection: {error}") from None
        except aiohttp.ClientError:
            network.unreadable += 1
            raise NoReply(f"what {target.netloc} says is no HTTP") from None
        return self._read(
            response.status, response.headers.get("x-amzn-errortype"), request, answer
        )

    def _spelt(self, job_id: str | None, request: DataRequest) -> tuple[str, str, bytes]:
        """Method, URL and body of a request."""
        base = self._base
        if isinstance(request, GetPendingJobExecutionsRequest):
            return "GET", base, b""
        if isinstance(request, StartNextPendingJobExecutionRequest):
            return "PUT", f"{base}/$next", _without_token(request)
        assert job_id is not None
        url = f"{base}/{job_id if job_id == '$next' else quote(job_id, safe='')}"
        if isinstance(request, UpdateJobExecutionRequest):
            return "POST", url, _without_token(request)
        query = [] if request.include_job_document else ["includeJobDocument=false"]
        if request.execution_number is not None:
            query.append(f"executionNumber={request.execution_number}")
        return "GET", f"{url}?{'&'.join(query)}" if query else url, b""

    def _read(self, status: int, name: str | None, request: DataRequest, body: bytes) -> DataReply:
        network, where = self._network, self._network.target.netloc
        try:
            if status == 200:
                reply = network.wire.decode_accepted(type(request), self._name, body)[1]
                return _plain(reply)
            if status in (401, 403):
                why = _message(body)
                raise Disconnected(f"{where} does not let {self._name} in: {status} {why}")
            if status < 400:
                raise TypeError(status)
            raise rejection(status, name, _message(body))
        except UNREADABLE:
            network.unreadable += 1
            raise NoReply(f"what {where} answers is no answer of AWS IoT Jobs") from None

    # ----------------------------------------------------------------------- looking

    async def _keep_looking(self) -> None:
        """Look for what is next, until the connection is lost."""
        every = self._network.target.poll
        phase = zlib.crc32(self._client_id().encode()) / 2**32
        await asyncio.sleep(every * (0.5 + phase / 2))
        while self.connected:
            if self._network.pace is not None:
                await self._network.pace()
            sent, outcome = asyncio.get_running_loop().time(), results.ACCEPTED
            try:
                await self._look(tell=True)
            except Disconnected:
                outcome = results.DISCONNECTED
                self._lost()
            except NoReply:
                outcome = results.NO_REPLY
            except Rejection as refusal:
                outcome = results.REJECTED[refusal.code]
            if self._looked is not None:
                self._looked(outcome, sent, asyncio.get_running_loop().time())
            await asyncio.sleep(every * (0.9 + phase / 5))

    def _client_id(self) -> str:
        return self._name + self._ways.suffix

    async def _look(self, *, tell: bool = False) -> None:
        """See what is next, or what is pending; tell where it is something else than before."""
        seen: object
        if self._ways.reader is not None:
            reply = await self._exchange(None, GetPendingJobExecutionsRequest())
            assert isinstance(reply, PendingReply)
            notice = Notify(self._name, reply.in_progress_jobs, reply.queued_jobs)
            seen = [(one.job_id, one.execution_number)
                    for one in (*reply.in_progress_jobs, *reply.queued_jobs)]  # fmt: skip
            before, self._seen = self._seen, seen
            if tell and seen != before:
                self._ways.reader(notice)
            return
        reply = await self._exchange("$next", DescribeJobExecutionRequest())
        assert isinstance(reply, ExecutionReply)
        execution = reply.execution
        seen = None if execution is None else (execution.job_id, execution.execution_number)
        before, self._seen = self._seen, seen
        if tell and seen != before:
            self._thing.notified(NotifyNext(self._name, execution))


def _without_token(request: Any) -> bytes:
    """Over HTTP an answer comes on its request's own connection: no token is needed."""
    request.client_token = None
    return encode_request(request)


def _plain(reply: DataReply) -> DataReply:
    """Over HTTP a job document is a string of JSON; over MQTT it is JSON."""
    if isinstance(reply, ExecutionReply) and reply.execution is not None:
        if reply.execution.job_document is not None:
            reply.execution.job_document = msgspec.json.decode(
                reply.execution.job_document, type=str
            )
    elif isinstance(reply, UpdateReply) and reply.job_document is not None:
        reply.job_document = msgspec.json.decode(reply.job_document, type=str)
    return reply


def _message(body: bytes) -> str:
    try:
        members = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:200].decode("utf-8", "replace")
    return str(members.get("message", "")) if isinstance(members, dict) else ""
