"""The service as a client of a real Mosquitto: requests answered, once, by whoever owns the thing.

Every test has brokers of its own on free ports. Nothing is decided by a clock: a wait is for
something to happen, and fails when it does not.
"""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulator.endpoints import broker as endpoint
from simulator.endpoints import broker_claim
from simulator.endpoints.broker import BrokerEndpoint, BrokerOptions
from simulator.endpoints.mqtt_rules import MAX_PAYLOAD
from simulator.endpoints.shards import RECORDS, Shard
from simulator.errors import TargetError, UsageError
from simulator.host import Host
from simulator.jobs.messages import DescribeJobExecutionRequest, ExecutionReply
from simulator.mqtt import V5, V311, Connack, Connect, Disconnect, Properties, Publish, encode
from simulator.mqtt.reasons import SHUTTING_DOWN
from simulator.sample import JOB, THING, create_sample
from simulator.serve import ServeOptions, opened
from tests.doors_in_thread import make_certificates
from tests.mosquitto import HASHER, Mosquitto, free_port, mosquitto, needs_mosquitto, proxy
from tests.raw_mqtt import RawClient

JOBS = f"$aws/things/{THING}/jobs"
UPDATE = f"{JOBS}/{JOB}/update"

pytestmark = needs_mosquitto


async def reached(goal: Callable[[], Any]) -> None:
    for _ in range(1000):
        if goal():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not reached within 10 s")


async def client(broker: Mosquitto, name: str, *filters: str, level: int = V311) -> RawClient:
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
    made = RawClient(reader, writer, level)
    broker.clients.append(made)
    made.send(Connect(name, level=level))
    assert isinstance(await made.receive(), Connack)
    if filters:
        await made.subscribe(*filters, qos=0)  # a RawClient acknowledges nothing
    return made


class Served:
    """A service over a broker, as ``opened`` makes it."""

    def __init__(self, host: Host, http: int) -> None:
        self.host = host
        self.http = http
        owners = [getattr(listener, "__self__", None) for listener in host.listeners]
        (self.endpoint,) = (owner for owner in owners if isinstance(owner, BrokerEndpoint))

    @property
    def version(self) -> int:
        """The version of the sample's execution."""
        asked = DescribeJobExecutionRequest()
        reply = self.host.service.handle(THING, JOB, asked, self.host.now())
        assert isinstance(reply, ExecutionReply)
        assert reply.execution is not None
        return reply.execution.version_number

    async def health(self) -> tuple[int, dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body)


@asynccontextmanager
async def served(port: int, *, sample: bool = True, **options: Any) -> AsyncIterator[Served]:
    """A service on a broker's port."""
    asked = BrokerOptions("127.0.0.1", port, **{"client_id": "service", **options})
    serve = ServeOptions(mqtt_port=None, http_port=0, broker=asked)
    async with opened(serve) as (addresses, host):
        if sample:
            create_sample(host.service)  # IN_PROGRESS, at version 2
            host.publish()
            await reached(lambda: host.effects_told)
        yield Served(host, addresses.http)


async def accepted(thing: RawClient, members: Any, topic: str = UPDATE) -> Any:
    """Ask, and be told yes."""
    thing.ask(topic, members)
    where, answer = await thing.message()
    assert where == f"{topic}/accepted", answer
    return answer


# ------------------------------------------------------------------------------- requests


@pytest.mark.parametrize("level", [V311, V5])
def test_requests_are_answered_and_what_follows_is_told(tmp_path: Path, level: int) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port, level=level, sample=False) as service:
                thing = await client(broker, "t", f"{JOBS}/#")
                create_sample(service.host.service)
                service.host.publish()
                heard = [await thing.message(), await thing.message()]
                assert [topic for topic, _ in heard] == [f"{JOBS}/notify", f"{JOBS}/notify-next"]
                thing.ask(f"{JOBS}/start-next", {"clientToken": "one"})
                request, answer = await thing.message(), await thing.message()
                assert request[0] == f"{JOBS}/start-next"
                assert answer[0] == f"{JOBS}/start-next/accepted"
                assert answer[1]["clientToken"] == "one"
                assert answer[1]["execution"]["status"] == "IN_PROGRESS"
                thing.ask(UPDATE, {"status": "SUCCEEDED", "expectedVersion": 9})
                assert (await thing.message())[0] == UPDATE
                topic, answer_2 = await thing.message()
                assert topic == f"{UPDATE}/rejected"
                assert answer_2["code"] == "VersionMismatch"
                thing.ask(UPDATE, {"status": "SUCCEEDED"})
                topics = [(await thing.message())[0] for _ in range(4)]
                assert topics == [
                    UPDATE, f"{UPDATE}/accepted", f"{JOBS}/notify", f"{JOBS}/notify-next"
                ]  # fmt: skip

    asyncio.run(run())


def test_job_events_are_told_where_they_are_enabled(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port) as service:
                host = service.host
                host.service.events.update({"JOB": True, "JOB_EXECUTION": True}, host.now())
                owner = await client(broker, "owner", "$aws/events/#")
                thing = await client(broker, "t")
                thing.ask(UPDATE, {"status": "SUCCEEDED"})
                heard = dict([await owner.message(), await owner.message()])
                assert heard[f"$aws/events/jobExecution/{JOB}/succeeded"]["status"] == "SUCCEEDED"
                assert heard[f"$aws/events/job/{JOB}/completed"]["status"] == "COMPLETED"

    asyncio.run(run())


def test_correlation_data_comes_back_to_a_client_of_mqtt_5(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port):
                thing = await client(broker, "t", f"{JOBS}/get/+", level=V5)
                said = Properties(correlation_data=b"17", response_topic="elsewhere")
                thing.send(Publish(f"{JOBS}/get", b"{}", 1, 5, properties=said))
                answer = await thing.published()
                assert answer.topic == f"{JOBS}/get/accepted"
                assert answer.properties == Properties(correlation_data=b"17")
                large = Properties(correlation_data=b"x" * 9000)  # more than AWS takes
                thing.send(Publish(f"{JOBS}/get", b"{}", 1, 6, properties=large))
                assert (await thing.published()).properties is None

    asyncio.run(run())


def test_bad_input_is_one_rejection_and_the_service_lives_on(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port) as service:
                thing = await client(broker, "t", f"{JOBS}/+/update/+", f"{JOBS}/get/+")
                for payload, code in (
                    (b"\xff", "InvalidJson"),
                    (b"[" * 10_000, "InvalidJson"),
                    (b'{"status":"NO"}', "InvalidRequest"),
                    (b"x" * (MAX_PAYLOAD + 1), "InvalidRequest"),
                    (b'{"status":"REMOVED"}', "InvalidStateTransition"),
                ):
                    thing.ask(UPDATE, payload)
                    topic, answer = await thing.message()
                    assert (topic, answer["code"]) == (f"{UPDATE}/rejected", code)
                thing.send(Publish(f"{JOBS}/get/get/get", b"{}", 1, 7))  # names no operation
                assert "queuedJobs" in await accepted(thing, {}, f"{JOBS}/get")
                assert (await service.health())[0] == 200

    asyncio.run(run())


def test_a_retained_request_is_none(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            thing = await client(broker, "t", f"{JOBS}/get/+")
            old = Publish(f"{JOBS}/get", b'{"clientToken":"old"}', 1, 1, retain=True)
            thing.send(old)
            assert await thing.silent()
            async with served(broker.port):  # it is told of what is retained when it subscribes
                answer = await accepted(thing, {"clientToken": "new"}, f"{JOBS}/get")
                assert answer["clientToken"] == "new"

    asyncio.run(run())


def test_an_update_that_comes_again_is_applied_once(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port) as service:
                thing = await client(broker, "t", f"{JOBS}/+/update/+")
                members = {"status": "IN_PROGRESS", "clientToken": "a",
                           "includeJobExecutionState": True}  # fmt: skip
                first = await accepted(thing, members)
                assert await accepted(thing, members) == first
                assert service.version == first["executionState"]["versionNumber"] == 3
                # another token, or other contents, is another request
                await accepted(thing, members | {"clientToken": "b"})
                await accepted(thing, members | {"statusDetails": {"step": "2"}})
                assert service.version == 5
                # one without a token cannot be told from a second report
                await accepted(thing, {"status": "IN_PROGRESS"})
                await accepted(thing, {"status": "IN_PROGRESS"})
                assert service.version == 7
                # one with expectedVersion is refused, as at AWS
                versioned = members | {"expectedVersion": 7}
                await accepted(thing, versioned)
                thing.ask(UPDATE, versioned)
                assert (await thing.message())[1]["code"] == "VersionMismatch"

    asyncio.run(run())


# ------------------------------------------------------------------------------- away and back


@pytest.mark.parametrize("level", [V311, V5])
def test_requests_of_the_time_away_are_answered_once(tmp_path: Path, level: int) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port, level=level):
                pass
            thing = await client(broker, "t", f"{JOBS}/get/+")
            for token in ("a", "b"):
                thing.ask(f"{JOBS}/get", {"clientToken": token})
            assert await thing.silent()
            async with served(broker.port, level=level):
                heard = [(await thing.message())[1]["clientToken"] for _ in range(2)]
                assert heard == ["a", "b"]
                await accepted(thing, {"clientToken": "c"}, f"{JOBS}/get")
                assert await thing.silent()

    asyncio.run(run())


def test_what_the_broker_delivers_again_is_answered_once(tmp_path: Path) -> None:
    """The service's words are lost, an answer and an acknowledgement among them."""

    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with proxy(broker.port) as between, served(between.port) as service:
                thing = await client(broker, "t", f"{JOBS}/+/update/+")
                between.swallow = True
                thing.ask(UPDATE, {"status": "IN_PROGRESS", "clientToken": "a"})
                await reached(lambda: service.version == 3)
                between.swallow = False
                between.cut()
                assert (await thing.message())[1]["clientToken"] == "a"
                await accepted(thing, {"status": "IN_PROGRESS", "clientToken": "b"})
                assert service.version == 4
                assert await thing.silent()

    asyncio.run(run())


def test_a_lost_broker_is_told_and_the_service_comes_back_with_its_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port, sample=False) as service:
                assert await service.health() == (200, {
                    "status": "ok", "broker": broker.url, "state": "attached", "shard": "1/1",
                })  # fmt: skip
                broker.stop()
                await reached(lambda: "lost" in service.endpoint.health()[1]["state"])
                status, said = await service.health()
                assert (status, said["status"]) == (503, "unavailable")
                assert said["state"].startswith("lost: ")
                create_sample(service.host.service)  # its notices wait for the broker
                service.host.publish()
                broker.start()
                thing = await client(broker, "t", f"{JOBS}/notify", f"{JOBS}/get/+")
                heard = [(await thing.message())[0]]
                await reached(lambda: service.endpoint.health()[0])
                answer = await accepted(thing, {}, f"{JOBS}/get")
                assert [job["jobId"] for job in answer["inProgressJobs"]] == [JOB]
                assert heard == [f"{JOBS}/notify"]

    asyncio.run(run())
    lines = [record.getMessage() for record in caplog.records]
    assert sum(" is lost: " in line for line in lines) == 1
    assert sum(line.endswith(" is back") for line in lines) == 1


def test_bytes_that_break_mqtt_are_not_asked_for_again(tmp_path: Path) -> None:
    """A message that we cannot read would come again and again in a session that lives on."""

    async def run() -> None:
        with mosquitto(tmp_path, "log_type all") as broker:
            async with proxy(broker.port) as between, served(between.port) as service:
                assert "as service (p5, c0" in broker.log.read_text()
                between.inject(b"\0\0")
                await reached(lambda: not service.endpoint.health()[0])
                await reached(lambda: service.endpoint.health()[0])
                assert broker.log.read_text().count("as service (p5, c1") == 1
                thing = await client(broker, "t", f"{JOBS}/get/+")
                await accepted(thing, {}, f"{JOBS}/get")
                between.cut()
                await reached(lambda: not service.endpoint.health()[0])
                await reached(lambda: service.endpoint.health()[0])
                assert broker.log.read_text().count("as service (p5, c0") == 2

    asyncio.run(run())


def test_a_broker_that_sends_us_away_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with proxy(broker.port) as between, served(between.port) as service:
                between.inject(encode(Disconnect(SHUTTING_DOWN), V5))
                await reached(lambda: not service.endpoint.health()[0])
                await reached(lambda: service.endpoint.health()[0])

    asyncio.run(run())
    assert "is lost: the broker closed the connection (reason 0x8b)" in caplog.text


def test_who_takes_our_name_from_us_loses_it_again(tmp_path: Path) -> None:
    """A client that knows nothing of claims."""

    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port) as service:
                other = await client(broker, "service")
                assert await other.receive() is None
                await reached(lambda: service.endpoint.health()[0])

    asyncio.run(run())


def test_the_connection_is_kept_alive_and_given_up_when_nothing_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "KEEP_ALIVE", 1)
    monkeypatch.setattr(endpoint, "SWEEP_S", 0.05)

    async def run() -> None:
        with mosquitto(tmp_path, "log_type all") as broker:
            async with proxy(broker.port) as between, served(between.port) as service:
                await reached(lambda: "PINGREQ from service\n" in broker.log.read_text())
                await reached(lambda: "PINGREQ from service-" in broker.log.read_text())
                assert service.endpoint.health()[0]
                between.deaf = True
                await reached(lambda: "nothing was heard" in service.endpoint.health()[1]["state"])
                between.deaf = False
                await reached(lambda: service.endpoint.health()[0])

    asyncio.run(run())


# ------------------------------------------------------------------------------- several


@pytest.mark.parametrize("count", [2, 3])
def test_each_request_gets_one_answer_of_several_services(tmp_path: Path, count: int) -> None:
    things, requests = 40, 25

    async def talk(broker: Mosquitto, name: str) -> Counter[str]:
        jobs = f"$aws/things/{name}/jobs"
        thing = await client(broker, name, f"{jobs}/#")
        answers: Counter[str] = Counter()
        for number in range(requests):
            thing.ask(f"{jobs}/get", {"clientToken": f"{name}-{number}"})
            while True:
                topic, said = await thing.message()
                if topic != f"{jobs}/get":
                    answers[said["clientToken"]] += 1
                    break
        # all have heard everything before the last answer of each: now a moment of silence
        assert await thing.silent()
        return answers

    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with AsyncExitStack() as stack:
                services = [
                    await stack.enter_async_context(
                        served(broker.port, sample=False, shard=Shard(k, count), client_id=None)
                    )
                    for k in range(1, count + 1)
                ]
                names = [f"thing-{number}" for number in range(things)]
                found = await asyncio.gather(*(talk(broker, name) for name in names))
                answered = sum(found, Counter[str]())
                assert len(answered) == things * requests
                assert set(answered.values()) == {1}
                # every service has seen every request by now: what it owns, and no more
                for number, service in enumerate(services, 1):
                    mine = sum(Shard(number, count).owns(name) for name in names)
                    desk = service.endpoint._desk
                    assert sum(desk.requests().values()) == mine * requests > 0

    asyncio.run(run())


def test_notices_are_told_by_the_owner_alone(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            mine = next(k for k in (1, 2) if Shard(k, 2).owns(THING))
            thing = await client(broker, "t", f"{JOBS}/notify")
            for place in (3 - mine, mine):
                async with served(broker.port, shard=Shard(place, 2)):
                    pass
            assert (await thing.message())[0] == f"{JOBS}/notify"
            assert await thing.silent()

    asyncio.run(run())


@pytest.mark.parametrize("other", ["1/1", "1/2", "2/4"])
def test_a_service_that_would_own_the_same_things_is_refused(tmp_path: Path, other: str) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port) as first:
                shard = Shard.parse(other)
                with pytest.raises(
                    UsageError, match=r"service service owns .* shard 1/1 .* end it"
                ):
                    async with served(broker.port, client_id="second", shard=shard):
                        pass
                assert (await first.health())[0] == 200
            async with served(broker.port, client_id="second", shard=shard):
                pass  # the first has gone, and said so

    asyncio.run(run())


def test_a_client_id_is_for_one_service(tmp_path: Path) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with served(broker.port, shard=Shard(1, 2)):
                with pytest.raises(UsageError, match="--broker-client-id"):
                    async with served(broker.port, shard=Shard(2, 2)):
                        pass

    asyncio.run(run())


def test_a_claim_without_a_sign_of_life_is_taken_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its owner's machine is gone; the broker has not noticed yet."""

    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            dead = await client(broker, "dead")
            claim = {"state": "owns", "shard": [1, 1], "service": "x", "instance": "y", "term": 4}
            topic = f"{RECORDS}1-of-1"
            dead.send(Publish(topic, json.dumps(claim).encode(), retain=True))
            dead.send(Publish(f"{topic}/alive", b"y", retain=True))
            assert await dead.silent()
            async with served(broker.port, sign_of_life_s=0.1):
                looks = await client(broker, "looks", topic)
                assert (await looks.message())[1]["term"] == 5

    asyncio.run(run())
    assert any("no sign of life" in record.getMessage() for record in caplog.records)


def test_who_lost_its_things_meanwhile_answers_nothing_and_what_was_answered_not_again(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        with mosquitto(tmp_path) as broker:
            async with proxy(broker.port) as between, served(between.port) as first:
                thing = await client(broker, "t", f"{JOBS}/get/+")
                between.shut = True
                between.cut()
                await reached(lambda: not first.endpoint.health()[0])
                looks = await client(broker, "looks", f"{RECORDS}#")
                async with served(broker.port, client_id="second"):
                    await accepted(thing, {"clientToken": "a"}, f"{JOBS}/get")
                    between.shut = False
                    await reached(lambda: "second owns" in first.endpoint.health()[1]["state"])
                    await accepted(thing, {"clientToken": "b"}, f"{JOBS}/get")
                await reached(lambda: first.endpoint.health()[0])
                await accepted(thing, {"clientToken": "c"}, f"{JOBS}/get")
                assert await thing.silent()
                looks.close()

    asyncio.run(run())


# ------------------------------------------------------------------------------- refusals


async def fails(port: int, **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        async with served(port, **options):
            pass
    assert caught.value.args[0].startswith("--broker mqtt")
    return str(caught.value)


def test_a_broker_that_is_not_there() -> None:
    assert "cannot connect" in asyncio.run(fails(free_port()))


def test_a_broker_that_refuses_us(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    config = ("allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    with mosquitto(tmp_path, *config) as broker:
        for level in (V311, V5):
            said = asyncio.run(fails(broker.port, level=level, username="u", password="hidden"))
            assert "refused the connection: not authorized" in said
            assert "hidden" not in said


def test_a_broker_that_lets_nobody_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_claim, "ECHO_WITHIN_S", 0.3)
    (tmp_path / "acl").write_text("topic readwrite $aws/#\n")
    with mosquitto(tmp_path, f"acl_file {tmp_path / 'acl'}") as broker:
        for level in (V311, V5):
            said = asyncio.run(fails(broker.port, level=level))
            assert f"{RECORDS}#" in said or "refused a subscription" in said


def test_a_password_and_tls(tmp_path: Path) -> None:
    pki = make_certificates(tmp_path / "pki")
    passwords = tmp_path / "passwords"
    passwords.write_text("us@er:pass\n")
    assert HASHER is not None
    subprocess.run([HASHER, "-U", str(passwords)], check=True, timeout=10)
    config = (
        f"cafile {pki / 'ca.pem'}",
        f"certfile {pki / 'server.pem'}", f"keyfile {pki / 'server.key'}",
        "allow_anonymous false", f"password_file {passwords}",
    )  # fmt: skip

    async def run() -> None:
        with mosquitto(tmp_path, *config) as broker:
            url = f"mqtts://us%40er:pass@localhost:{broker.port}"
            for version in ("3.1.1", "5"):
                asked = BrokerOptions.parse(url, pki / "ca.pem", "service", "1/1", version)
                serve = ServeOptions(mqtt_port=None, http_port=0, broker=asked)
                async with opened(serve) as (addresses, _):
                    assert addresses.broker == f"mqtts://localhost:{broker.port}"
                for wrong, why in (
                    ({"password": "no"}, "refused the connection"),
                    ({"authority": None}, "of no authority that is trusted here"),
                    ({"tls": False}, "closed the connection"),
                ):
                    with pytest.raises(TargetError, match=why):
                        async with opened(replace(serve, broker=replace(asked, **wrong))):
                            pass

    asyncio.run(run())


def test_something_that_is_no_broker() -> None:
    async def run() -> str:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        try:
            return await fails(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    assert "closed the connection" in asyncio.run(run())


def test_options_that_will_not_do(tmp_path: Path) -> None:
    def parse(url: str = "mqtt://h", **more: Any) -> BrokerOptions:
        usual = {"authority": None, "client_id": None, "shard": "1/1", "version": "5"}
        return BrokerOptions.parse(url, **{**usual, **more})

    for url in (
        "", "h:1883", "http://h:1", "mqtt://", "mqtt://:1883", "mqtt://h:x", "mqtt://h:0",
        "mqtt://h:70000", "mqtt://h/topic", "mqtt://h?x=1", "mqtt://:pw@h", "mqtt://[::1",
    ):  # fmt: skip
        with pytest.raises(UsageError, match="--broker: write mqtt://HOST:PORT"):
            parse(url)
    for wrong, what in (
        ({"version": "4"}, "--broker-mqtt"),
        ({"shard": "0/1"}, "--shard"),
        ({"authority": tmp_path}, "--broker-ca"),
        ({"client_id": "a/b"}, "--broker-client-id"),
        ({"client_id": ""}, "--broker-client-id"),
    ):
        with pytest.raises(UsageError, match=what):
            parse(**wrong)
    with pytest.raises(UsageError, match="--broker-ca"):
        parse("mqtts://h", authority=tmp_path / "none").context()
    full = parse("mqtts://us%40er:pa%3Ass@[::1]", shard="2/3")
    assert (full.username, full.password, full.port) == ("us@er", "pa:ss", 8883)
    assert full.url == "mqtts://[::1]:8883"
    assert "pa:ss" not in repr(full)
    assert full.service.endswith("-2-of-3")
    assert replace(full, shard=Shard()).service == full.service.removesuffix("-2-of-3")
    assert parse("mqtt://h:77").port == 77
