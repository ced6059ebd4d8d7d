"""Targets of a live run: what a URL and its options mean, and one line for each that is wrong."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from simulator import certificates
from simulator.errors import TargetError, UsageError
from simulator.jobs.messages import JobExecutionState
from simulator.refusals import in_words
from simulator.targets import TargetOptions, aim, parse, redacted, transport_for
from simulator.today import utc_now
from simulator.transports.http import rejection
from tests.doors_in_thread import Served, make_certificates, served, tls_options


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"), "T")


@pytest.fixture(scope="module")
def service(pki: Path) -> Iterator[Served]:
    with served(tls=tls_options(pki)) as up:
        yield up


# ------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("text", "shown", "address"),
    [
        ("mqtt://h", "mqtt://h:1883", ("h", 1883)),
        ("mqtts://u:p%40ss@h", "mqtts://h:8883", ("h", 8883)),
        ("ws://h:8080", "ws://h:8080/mqtt", ("h", 8080)),
        ("wss://h/other", "wss://h/other", ("h", 443)),
        ("http://[::1]:80/", "http://[::1]", ("::1", 80)),
        ("https://h:8443", "https://h:8443", ("h", 8443)),
    ],
)
def test_a_url_names_a_target(text: str, shown: str, address: tuple[str, int]) -> None:
    target = parse(text)
    assert (str(target), target.address) == (shown, address)
    if "@" in text:
        assert (target.username, target.password) == ("u", "p@ss")
        assert "p@ss" not in repr(target)


@pytest.mark.parametrize(
    "text",
    ["h:1883", "mqtt:h", "amqp://h", "mqtt://", "mqtt://h:x", "mqtt://h:99999", "mqtt://h:0",
     "mqtt://h/path", "http://h/things", "ws://h/mqtt?a=b", "mqtt://a b", "mqtt://[::1",
     "mqtt://u:secret@"],
)  # fmt: skip
def test_what_is_no_target_is_one_sentence_with_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="write mqtt://HOST") as wrong:
        parse(text)
    assert "\n" not in str(wrong.value)
    assert "secret" not in str(wrong.value)
    assert repr(redacted(text)) in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("mqtt://h", {"ca": Path("x")}, "--ca is for mqtts, wss and https"),
        ("mqtts://h", {"ca": Path("/none")}, "--ca /none: there is no such file"),
        ("mqtts://h", {"ca": Path(__file__)}, "is no file of certificates in PEM form"),
        ("mqtts://h", {"cert": Path(__file__)}, "--cert and --key go together"),
        ("mqtts://h", {"certs": Path(__file__)}, "is no directory"),
        ("mqtts://h", {"cert": Path(__file__), "key": Path(__file__)}, "no certificate and its"),
        (
            "mqtts://h",
            {"cert": Path(__file__), "key": Path(__file__), "certs": Path(__file__).parent},
            "give one",
        ),
        ("mqtt://h", {"mqtt": "4"}, "allowed are 3.1.1 and 5"),
        ("mqtt://h", {"password": "p"}, "--password needs --username"),
        ("http://h", {"username": "u"}, "takes no user name"),
        ("http://h", {"poll": 0.0}, "seconds above 0"),
        ("mqtts://h", {"sigv4": True}, "--sigv4 is for wss and https"),
        ("wss://h", {"sigv4": True}, "there are no AWS credentials"),
    ],
)
def test_options_that_contradict_are_one_sentence(
    text: str, options: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    with pytest.raises(UsageError, match=re.escape(words)):
        parse(text, TargetOptions(**options))  # type: ignore[arg-type]  # by name


def test_a_thing_without_a_certificate_is_named(pki: Path) -> None:
    target = parse("mqtts://h", TargetOptions(certs=pki))
    assert isinstance(target.tls("T"), ssl.SSLContext)
    with pytest.raises(UsageError, match=r"no certificate of X: X\.pem is missing"):
        target.tls("X")


def test_aims() -> None:
    options = TargetOptions()
    assert aim(None, None, options, 60) is None
    found = aim("http://h:1", None, options, 1)
    assert found is not None
    assert str(found.control) == "http://h:1"
    for arguments in (
        ("mqtt://h", None, options, 1.0),
        ("mqtt://h", "mqtt://h", options, 1.0),
        ("mqtt://h", "http://h", options, 60.0),
        (None, "http://h", options, 1.0),
        (None, None, options._replace(username="u"), 1.0),
    ):
        with pytest.raises(UsageError):
            aim(*arguments)


def test_a_transport_is_implied_or_contradicted() -> None:
    plain, web = parse("mqtt://h"), parse("http://h")
    assert [transport_for(None, one) for one in (None, plain, web)] == ["mqtt", "mqtt", "http"]
    assert transport_for("aiomqtt", plain) == "aiomqtt"
    for asked, target in (("http", plain), ("mqtt", web), ("aiomqtt", web), ("amqp", None)):
        with pytest.raises(UsageError):
            transport_for(asked, target)


def test_aiomqtt_says_that_it_cannot_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    signed = parse("ws://h", TargetOptions(sigv4=True, region="us-east-1"))
    assert transport_for(None, signed) == "mqtt"
    with pytest.raises(UsageError, match="cannot sign"):
        transport_for("aiomqtt", signed)


# ------------------------------------------------------------------------------- knocking


def test_who_can_be_reached_is(service: Served, pki: Path) -> None:
    where = service.addresses
    for url in (f"mqtts://localhost:{where.mqtts}", f"wss://localhost:{where.https}/mqtt"):
        parse(url, TargetOptions(ca=pki / "ca.pem")).knock()
    parse(f"mqtt://localhost:{where.mqtt}").knock()


@contextmanager
def closes() -> Iterator[int]:
    """A port that takes a connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()


def test_who_cannot_be_reached_is_one_line_with_the_reason(
    service: Served, pki: Path, tmp_path: Path
) -> None:
    where = service.addresses
    trusting = TargetOptions(ca=pki / "ca.pem")
    others = make_certificates(tmp_path / "others", "T")
    cases = [
        (parse(f"mqtts://localhost:{where.mqtt}", trusting), "TLS"),
        (parse(f"mqtts://localhost:{where.http}", trusting), "TLS"),
        (parse(f"mqtts://localhost:{where.mqtts}"), "no authority that is trusted here"),
        (
            parse(f"mqtts://localhost:{where.mqtts}", TargetOptions(ca=others / "ca.pem")),
            "no authority that is trusted here",
        ),
        (parse(f"mqtts://127.0.0.2:{where.mqtts}", trusting), "refused|another host"),
        (parse("mqtt://127.0.0.1:1"), "connection refused"),
        (parse("mqtt://no-such-host.invalid"), "DNS"),
        (parse(f"mqtt://{'x' * 70}.test"), "host"),
    ]
    for target, reason in cases:
        with pytest.raises(TargetError, match=reason) as failed:
            target.knock()
        assert str(failed.value).startswith(f"no thing could connect to {target}: ")
        assert "\n" not in str(failed.value)
    with closes() as port, pytest.raises(TargetError, match=r"closed the connection|TLS"):
        parse(f"mqtts://127.0.0.1:{port}", trusting).knock()


def test_an_expired_certificate_is_named(pki: Path, tmp_path: Path) -> None:
    now = utc_now()
    made = certificates._Authority(pki, now, certificates.Made())
    pair = certificates.Pair(tmp_path / "server.pem", tmp_path / "server.key")
    made.issue(pair, "localhost", ["localhost"], 1, now - timedelta(days=9))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True)
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        target = parse(
            f"mqtts://localhost:{listening.getsockname()[1]}", TargetOptions(ca=pki / "ca.pem")
        )
        with pytest.raises(TargetError, match="its certificate has expired"):
            target.knock()
        thread.join()


def test_a_name_service_that_does_not_answer_is_told_from_an_unknown_host() -> None:
    assert "name service" in in_words(socket.gaierror(socket.EAI_AGAIN, "again"))
    assert "no host of that name" in in_words(socket.gaierror(socket.EAI_NONAME, "none"))


# ------------------------------------------------------------------------------- HTTP's errors


@pytest.mark.parametrize(
    ("status", "name", "message", "code"),
    [
        (400, "InvalidRequestException", "Expected version 99 but found version 1",
         "VersionMismatch"),
        (409, None, "Expected version 2 but found version 3", "VersionMismatch"),
        (409, "InvalidStateTransitionException", "no", "InvalidStateTransition"),
        (410, "TerminalStateException", "ended", "TerminalStateReached"),
        (410, None, "", "TerminalStateReached"),
        (400, "InvalidRequestException:http://aws", "no", "InvalidRequest"),
        (404, None, "", "ResourceNotFound"),
        (429, "ThrottlingException", "", "RequestThrottled"),
        (400, "ThrottlingException", "", "RequestThrottled"),
        (503, None, "Expected version 2 but found version 3", "InternalError"),
        (418, None, "", "InternalError"),
    ],
)  # fmt: skip
def test_one_function_reads_an_http_error(
    status: int, name: str | None, message: str, code: str
) -> None:
    found = rejection(status, name, message)
    assert found.code == code
    assert not isinstance(found.execution_state, JobExecutionState)
