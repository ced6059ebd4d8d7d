"""The conformance cases' world at AWS: a real account, its own names, and nothing left behind.

Rule 1: every name made begins with the prefix, the run's own eight digits, and the world's number.
Rule 2: what was made is written down when the service has said so, or has said nothing at all
        (the reply may be lost); only that is removed, executions with their jobs.
Rule 3: names in a body are the short ones (``T``, ``J``); they are made long on the way out, and
        short on the way back.
Rule 4: AWS is consistent in a while: what a body made is waited for, at most ``PATIENCE_S``.
"""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from simulator.errors import Rejection
from simulator.jobs.messages import DataReply, DataRequest, Notify
from simulator.jobs.model import Status
from tests.conformance.account_made import AGAIN, GONE, LOOKS_S, PATIENCE_S, Made, code_of, within
from tests.conformance.doors import THING, Call, Listener, World, boto3_call
from tests.conformance.owners import Owner, http_owner

LOCAL = "arn:aws:iot:us-east-1:123456789012:"
"""What ARNs begin with in bodies."""

NAMED = ("jobId", "thingName", "thingGroupName")

T = TypeVar("T")


@dataclass
class Account:
    """Where to run, as whom, and what was made there."""

    account_id: str
    region: str
    prefix: str
    clients: dict[str, Any] = field(repr=False)
    mqtt: tuple[str, int] | None
    """Host and port of MQTT over WebSocket; None: as DescribeEndpoint says."""
    ca_file: str | None
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    worlds: int = 0
    made: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)

    @classmethod
    def named(
        cls,
        account_id: str | None,
        region: str | None,
        prefix: str | None,
        iot_endpoint_url: str | None,
        jobs_endpoint_url: str | None,
        sts_endpoint_url: str | None,
        mqtt_endpoint: str | None,
        mqtt_ca_file: str | None,
    ) -> "Account":
        """The account of the options; raises ValueError for what is missing or wrong."""
        if account_id is None:
            raise ValueError("name the account with --aws-account-id; nothing runs without it")
        if not re.fullmatch(r"\d{12}", account_id):
            raise ValueError(f"--aws-account-id {account_id!r} is not twelve digits")
        prefix = prefix or "jobfleet"
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,24}", prefix):
            raise ValueError(f"--aws-prefix {prefix!r} is not 1 to 24 of a-zA-Z0-9_-")
        host, colon, port = (mqtt_endpoint or "").rpartition(":")
        if mqtt_endpoint is not None and not (host and colon and port.isdigit()):
            raise ValueError(f"--aws-mqtt-endpoint {mqtt_endpoint!r} is not HOST:PORT")
        session = boto3.Session(region_name=region)
        if session.region_name is None:
            raise ValueError("name the region with --aws-region")
        urls = {
            "iot": (iot_endpoint_url, 10),
            "iot-jobs-data": (jobs_endpoint_url, 10),
            "sts": (sts_endpoint_url, 2),
        }
        clients = {name: _client(session, name, *where) for name, where in urls.items()}
        mqtt = (host, int(port)) if mqtt_endpoint else None
        return cls(account_id, session.region_name, prefix, clients, mqtt, mqtt_ca_file)

    @property
    def arn(self) -> str:
        """What ARNs of the account begin with."""
        return f"arn:aws:iot:{self.region}:{self.account_id}:"

    def doors(self) -> dict[str, Callable[[], AbstractAsyncContextManager[Any]]]:
        """The doors to it."""
        return {
            "aws-http": lambda: opened(self, "http"),
            "aws-mqtt": lambda: opened(self, "mqtt"),
            "aws-raw": lambda: opened(self, "raw"),
        }

    def made_and_removed(self) -> str:
        """What was made, and what of it could not be removed."""
        made = ", ".join(f"{count} {kind}" for kind, count in sorted(self.made.items()))
        left = f"; LEFT BEHIND: {', '.join(self.left)}" if self.left else ""
        return f"{made or 'nothing'} ({self.prefix}-{self.run}-…){left}"


def _client(session: Any, name: str, url: str | None, attempts: int) -> Any:
    """A client that checks nothing itself, and asks again when it is throttled."""
    retries = {"mode": "standard", "max_attempts": attempts}
    config = Config(retries=retries, parameter_validation=False)
    return session.client(name, endpoint_url=url, config=config)


def check_identity(account: Account) -> None:
    """Raise ValueError unless STS says that the account is the one that was named."""
    try:
        found = account.clients["sts"].get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise ValueError(f"STS does not say whose credentials these are: {error}") from None
    if found != account.account_id:
        raise ValueError(
            f"the credentials are of account {found}, and --aws-account-id says "
            f"{account.account_id}: nothing was made"
        )


# ------------------------------------------------------------------------------- the world


class Stored(NamedTuple):
    """What the control plane says of an execution."""

    status: str
    version: int
    queued_at: float
    started_at: float | None
    last_updated_at: float


class AccountWorld(World):
    """A thing of the account, and one door to it."""

    patience = PATIENCE_S

    def __init__(self, account: Account, door: str, listener: Listener) -> None:
        account.worlds += 1
        self.account = account
        self.prefix = f"{account.prefix}-{account.run}-{account.worlds}-"
        self.made = Made(account.clients["iot"], account.made)
        self.door = door
        self.listener = listener
        self.heard: list[list[Notify]] = []
        self.iot = account.clients["iot"]
        self.devices = account.clients["iot-jobs-data"]
        self.owner: Owner = self._owner
        self._ask = http_owner(self.iot, 0)
        self._refusing = False
        self._call: Call = self._named(boto3_call(self.devices, self.name(THING), 0))

    # ----------------------------------------------------------------------- names

    def name(self, short: str) -> str:
        return self.prefix + short

    def _long(self, members: dict[str, Any]) -> dict[str, Any]:
        """Members of a request with the names that things really have."""
        found = dict(members)
        for key in NAMED:
            if key in found:
                found[key] = self.name(found[key])
        if "targets" in found:
            found["targets"] = [self._target(arn) for arn in found["targets"]]
        return found

    def _target(self, arn: str) -> str:
        kind, _, name = arn.removeprefix(LOCAL).partition("/")
        if kind == "thing" and ("thing", self.name(name)) not in self.made.names:
            self.make_thing(name)
        return f"{self.account.arn}{kind}/{self.name(name)}"

    def _short(self, value: Any) -> Any:
        """An answer with the names that its body knows."""
        if isinstance(value, str):
            return value.replace(self.account.arn, LOCAL).replace(self.prefix, "")
        if isinstance(value, dict):
            return {key: self._short(inner) for key, inner in value.items()}
        return [self._short(inner) for inner in value] if isinstance(value, list) else value

    def _named(self, call: Call) -> Call:
        """A door to the data plane that speaks of the short names."""

        async def named(job_id: str | None, request: DataRequest) -> DataReply:
            long = job_id if job_id is None or job_id == "$next" else self.name(job_id)
            reply = await call(long, request)
            return msgspec.convert(self._short(msgspec.to_builtins(reply)), type(reply))

        return named

    # ----------------------------------------------------------------------- the control plane

    async def _owner(self, operation: str, **members: Any) -> dict[str, Any]:
        long = self._long(members)
        if operation == "create_job":
            reply = await asyncio.to_thread(self.made.make, "job", long.pop("jobId"), **long)
            reply.pop("ResponseMetadata")
            if "schedulingConfig" not in members:
                await asyncio.to_thread(self._rolled_out, members["jobId"], long["targets"])
            return self._short(reply)  # type: ignore[no-any-return]
        wait = operation == "describe_job_execution" and not self._refusing
        until = time.perf_counter() + (PATIENCE_S if wait else 0)
        while True:
            try:
                return self._short(await self._ask(operation, **long))  # type: ignore[no-any-return]
            except ClientError as error:
                if code_of(error) not in GONE or time.perf_counter() > until:
                    raise
            await asyncio.sleep(LOOKS_S)

    def _rolled_out(self, job_id: str, targets: list[str]) -> None:
        """Wait until each thing that a new job names has its execution."""
        for arn in targets:
            kind, _, name = arn.removeprefix(self.account.arn).partition("/")
            if kind == "thing":
                within(
                    lambda name=name: self.iot.describe_job_execution(  # type: ignore[misc]
                        jobId=self.name(job_id), thingName=name
                    ),
                    (*GONE, *AGAIN),
                )

    def create_job(
        self,
        job_id: str,
        timeout: int | None = None,
        document: str = '{"a":1}',
        targets: list[str] | None = None,
        per_minute: int | None = None,
    ) -> None:
        members: dict[str, Any] = {"document": document}
        if timeout is not None:
            members["timeoutConfig"] = {"inProgressTimeoutInMinutes": timeout}
        if per_minute is not None:
            members["jobExecutionsRolloutConfig"] = {"maximumPerMinute": per_minute}
        arns = [self._target(f"{LOCAL}thing/{name}") for name in targets or [THING]]
        self.made.make("job", self.name(job_id), targets=arns, **members)
        self._rolled_out(job_id, arns)

    def make_thing(self, name: str) -> None:
        self.made.make("thing", self.name(name))

    def make_group(self, name: str, *members: str) -> None:
        self.made.make("thing_group", self.name(name))
        for member in members:
            self.make_thing(member)
            self.iot.add_thing_to_thing_group(
                thingName=self.name(member), thingGroupName=self.name(name)
            )

    def report(self, thing: str, status: Status, job_id: str = "J") -> None:
        named = {"thingName": self.name(thing), "jobId": self.name(job_id)}
        within(lambda: self.devices.update_job_execution(**named, status=status), GONE)

    def stored(self, job_id: str, thing: str = THING) -> Any:
        found = self.iot.describe_job_execution(
            jobId=self.name(job_id), thingName=self.name(thing)
        )["execution"]
        started = found.get("startedAt")
        return Stored(
            found["status"],
            found["versionNumber"],
            found["queuedAt"].timestamp(),
            None if started is None else started.timestamp(),
            found["lastUpdatedAt"].timestamp(),
        )

    # ----------------------------------------------------------------------- what is heard

    async def listen(self) -> list[Notify]:
        await self.quiet()
        heard: list[Notify] = []
        self.heard.append(heard)
        return heard

    def noticed(self, notice: Notify) -> None:
        """A notify came."""
        short = msgspec.convert(self._short(msgspec.to_builtins(notice)), Notify)
        for heard in self.heard:
            heard.append(short)

    async def quiet(self) -> None:
        """At AWS a notice may be behind the answer: it has a while."""
        await self.pending()
        await asyncio.sleep(LOOKS_S)

    async def eventually(self, ask: Callable[[], Awaitable[object]], expected: object) -> None:
        until = time.perf_counter() + PATIENCE_S
        found = await ask()
        while found != expected and time.perf_counter() < until:
            await asyncio.sleep(LOOKS_S)
            found = await ask()
        assert found == expected

    @contextmanager
    def refused(self, kind: type[Rejection], state: str | None = None) -> Iterator[None]:
        self._refusing = True
        try:
            with super().refused(kind, state):
                yield
        finally:
            self._refusing = False


@asynccontextmanager
async def opened(account: Account, door: str) -> AsyncIterator[Any]:
    """A world of the account, and everything that it made removed at its end.

    It is an ``AccountWorld``, and where the door is ``raw``, a ``RawAccount``.
    """
    from tests.conformance.account_mqtt import MqttDoor, RawAccount

    world = AccountWorld(account, "http" if door == "raw" else door, Listener())
    link: MqttDoor | RawAccount | None = None
    try:
        await asyncio.to_thread(world.make_thing, THING)
        if door == "raw":
            link = RawAccount(world)
            yield link
            return
        if door == "mqtt":
            link = MqttDoor(world)
            await link.open()
            world._call = world._named(link.call)
        yield world
    finally:
        if link is not None:
            await link.close()
        left = await asyncio.to_thread(world.made.remove)
        account.left += left
        assert not left, f"left behind: {', '.join(left)}"
