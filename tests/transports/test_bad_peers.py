"""What a link says of a peer that breaks its word: one line, counted, never a hang."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from simulator import mqtt_client
from simulator.errors import Disconnected, NoReply, Rejection
from simulator.jobs.messages import StartNextPendingJobExecutionRequest as StartNext
from simulator.jobs.wire import Wire
from simulator.live_errand import LiveErrand
from simulator.mqtt import Connack, Suback, encode
from simulator.targets import Target, TargetOptions, parse
from simulator.transports.aiomqtt import AiomqttLink, AiomqttNetwork
from simulator.transports.http import HttpLink, HttpNetwork
from simulator.transports.mqtt import MqttLink, MqttNetwork
from tests.doors_in_thread import make_certificates, served, tls_options
from tests.misbehaving import Manner, misbehaving, nonsense


class Ear:
    lost = 0

    def notified(self, notice: object) -> None: ...

    def disconnected(self) -> None:
        self.lost += 1


def network_for(kind: str, target: Target, timeout: float = 0.4, keep_alive: int = 300) -> Any:
    if kind == "http":
        return HttpNetwork(target, Wire(), timeout)
    made = MqttNetwork if kind == "mqtt" else AiomqttNetwork
    return made(*target.address, Wire(), timeout, keep_alive, target)


def run(
    kind: str, target: Target, body: Callable[[Any, Any, Ear], Awaitable[object]], **more: Any
) -> Any:
    """The body with a network, a link and who hears from it; returns the network."""

    async def main() -> Any:
        network, ear = network_for(kind, target, **more), Ear()
        links = {"http": HttpLink, "mqtt": MqttLink, "aiomqtt": AiomqttLink}
        link: Any = links[kind](network, "T", ear)
        try:
            await body(network, link, ear)
        finally:
            link.close()
            await network.close()
        return network

    factory = asyncio.SelectorEventLoop if kind == "aiomqtt" else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


async def refused(network: Any, link: Any, ear: Ear) -> None:
    with pytest.raises(Disconnected) as failed:
        await link.connect()
    assert network.refusal == str(failed.value)
    assert "\n" not in network.refusal
    assert (link.connected, ear.lost) == (False, 0)


@pytest.mark.parametrize("kind", ["mqtt", "aiomqtt"])
@pytest.mark.parametrize(
    ("manner", "unreadable", "strays"),
    [("no JSON", 1, 0), ("no UTF-8", 1, 0), ("others' tokens", 0, 1), ("answers nothing", 0, 0)],
)
def test_an_answer_that_is_none_counts_and_is_no_reply(
    kind: str, manner: Manner, unreadable: int, strays: int
) -> None:
    async def body(network: Any, link: Any, ear: Ear) -> None:
        await link.connect()
        with pytest.raises(NoReply):
            # its PUBACK never comes either: our own client does not wait for one
            await link.call(None, StartNext())
        assert link.connected or kind == "aiomqtt"

    with misbehaving(manner) as odd:
        network = run(kind, parse(f"mqtt://127.0.0.1:{odd.port}"), body)
    assert (network.unreadable, network.strays) == (unreadable, strays)


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"execution":3}', b"\xff"])
def test_over_http_too(answer: bytes) -> None:
    with nonsense(answer) as port:
        network = run("http", parse(f"http://127.0.0.1:{port}"), refused)
    assert network.unreadable == 1
    assert "is no answer of AWS IoT Jobs" in network.refusal


@pytest.mark.parametrize("kind", ["mqtt", "http"])
def test_a_peer_that_takes_connections_and_never_speaks(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_client, "CONNECT_WITHIN_S", 0.3)
    scheme = "mqtt" if kind == "mqtt" else "http"
    with misbehaving("silent") as odd:
        network = run(kind, parse(f"{scheme}://127.0.0.1:{odd.port}"), refused)
    assert "no answer within 0.3 s" in network.refusal or "no reply in time" in network.refusal


def test_a_connection_that_is_lost_with_its_welcome_never_was() -> None:
    """The bytes behind the SUBACK break MQTT: who connects is told, and hears of no loss."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(encode(Connack()))
        await reader.read(1000)
        writer.write(encode(Suback(1, (1,) * 5)) + b"\x10\x00")
        await reader.read(1000)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        network, ear = MqttNetwork(host, port, Wire(), 0.4), Ear()
        link = MqttLink(network, "T", ear)
        said: asyncio.Future[str] = network.loop.create_future()

        async def life() -> None:
            try:
                await link.connect()
            except Disconnected as error:
                said.set_result(str(error))

        LiveErrand(life(), network.loop)
        assert "after its welcome" in await said
        assert (link.connected, ear.lost, len(network.links)) == (False, 0, 0)
        await network.close()
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main(), 10))


def test_a_half_open_connection_is_noticed() -> None:
    """Nothing comes, not even the answer to a ping, for half again the keep-alive."""

    async def body(network: Any, link: Any, ear: Ear) -> None:
        await link.connect()
        for _ in range(1000):
            if ear.lost:
                break
            await asyncio.sleep(0.01)
        assert (ear.lost, link.connected) == (1, False)

    with misbehaving("answers nothing") as odd:
        run("mqtt", parse(f"mqtt://127.0.0.1:{odd.port}"), body, keep_alive=1)


@pytest.mark.parametrize(
    ("kind", "url", "words"),
    [
        ("mqtt", "mqtt://localhost:{mqtts}", "without TLS"),
        ("mqtt", "mqtts://localhost:{mqtt}", "TLS|closed the connection"),
        ("aiomqtt", "mqtts://localhost:{mqtt}", "TLS|closed the connection"),
        ("http", "https://localhost:{http}", "TLS"),
        ("http", "http://localhost:{https}", "localhost"),
        ("mqtt", "ws://localhost:{https}/mqtt", "closed the connection|WebSocket"),
        ("mqtt", "ws://localhost:{mqtt}/mqtt", "WebSocket"),
        ("mqtt", "ws://localhost:{http}/elsewhere", "HTTP status 404"),
        ("mqtt", "wss://localhost:{https}/mqtt", "no authority"),
        ("aiomqtt", "mqtts://localhost:{mqtts}", "no authority"),
        ("http", "https://localhost:{https}", "no authority"),
        ("mqtt", "mqtt://no-such-host.invalid", "no host of that name"),
        ("aiomqtt", "mqtt://no-such-host.invalid", "no host of that name"),
        ("http", "http://no-such-host.invalid", "no host of that name"),
        ("mqtt", "mqtt://127.0.0.1:1", "refused"),
        ("aiomqtt", "mqtt://127.0.0.1:1", "refused"),
        ("http", "http://127.0.0.1:1", "refused"),
    ],
)
def test_a_wrong_door_is_one_line_with_the_reason(
    kind: str, url: str, words: str, doors: dict[str, int]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # paho leaves a socket whose TLS failed
        network = run(kind, parse(url.format(**doors)), refused)
        gc.collect()
    assert any(word in network.refusal for word in words.split("|")), network.refusal


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pki = make_certificates(tmp_path_factory.mktemp("pki"), "T")
    with served(tls=tls_options(pki)) as up:
        where = up.addresses
        yield {name: getattr(where, name) for name in ("mqtt", "http", "mqtts", "https")}


def test_a_service_that_wants_a_certificate_says_so(tmp_path: Path) -> None:
    pki = make_certificates(tmp_path / "pki", "T")
    trusting = TargetOptions(ca=pki / "ca.pem")
    with served(tls=tls_options(pki, mutual=True)) as up:
        for kind, url in (
            ("mqtt", f"mqtts://localhost:{up.addresses.mqtts}"),
            ("http", f"https://localhost:{up.addresses.https}"),
        ):
            network = run(kind, parse(url, trusting), refused)
            assert network.refusal.count("localhost") == 1


def test_somebody_elses_certificate_is_refused(tmp_path: Path) -> None:
    pki = make_certificates(tmp_path / "pki", "T2")
    pair = (pki / "things" / "T2.pem", pki / "things" / "T2.key")

    async def body(network: Any, link: Any, ear: Ear) -> None:
        async def both() -> None:
            await link.connect()
            await link.call(None, StartNext())

        with pytest.raises((Disconnected, NoReply, Rejection)):
            await both()

    with served(tls=tls_options(pki, mutual=True)) as up:
        for kind, url in (
            ("mqtt", f"mqtts://localhost:{up.addresses.mqtts}"),
            ("http", f"https://localhost:{up.addresses.https}"),
        ):
            run(kind, parse(url, TargetOptions(pki / "ca.pem", *pair)), body)


def test_a_slow_endpoint_is_waited_for_as_long_as_the_reply_timeout() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    if line == b"\r\n":
                        await asyncio.sleep(0.2)
                        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        target = parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        network = network_for("http", target, 5.0)
        link = HttpLink(network, "T", Ear())
        await link.connect()
        link._ways = link._ways._replace(reply_timeout=0.05)
        with pytest.raises(NoReply):
            await link.call(None, StartNext())
        assert link.connected
        link.close()
        await network.close()
        server.close()

    asyncio.run(main())
