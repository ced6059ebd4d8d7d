"""The HTTP door over raw sockets: what is no HTTP ends one connection, and no other."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulator.endpoints.http11 import MAX_BODY, MAX_HEAD
from simulator.host import Host
from simulator.mqtt import Publish
from tests.doors_in_thread import Raw, Served, get, served

ARN = "arn:aws:iot:us-east-1:123456789012:thing/T"


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    with served() as up:
        create(up, "J")
        yield up


@pytest.fixture
def raw(service: Served) -> Iterator[Raw]:
    """A connection; afterwards the service must still serve."""
    with Raw(service.addresses.http) as connection:
        yield connection
    assert ask(service, "GET", "/things/T/jobs").status_code == 200


def ask(service: Served, method: str, path: str, **more: Any) -> requests.Response:
    return requests.request(
        method, f"http://127.0.0.1:{service.addresses.http}{path}", timeout=5, **more
    )


def create(service: Served, job: str) -> None:
    made = ask(service, "PUT", f"/jobs/{job}", json={"targets": [ARN], "document": "{}"})
    assert made.status_code == 200, made.text


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# ------------------------------------------------------------------------------- what is no HTTP


@pytest.mark.parametrize(
    "broken",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"\x00" * 100,
    ],
)
def test_what_is_no_http_is_400_and_the_end_of_the_connection(raw: Raw, broken: bytes) -> None:
    raw.send(broken)
    answer = raw.rest()
    assert status(answer) == 400
    assert b"This is not HTTP/1.1" in answer
    assert b"connection: close" in answer


def test_tls_on_a_plain_port_is_named_in_the_log(
    raw: Raw, caplog: pytest.LogCaptureFixture
) -> None:
    raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert status(raw.rest()) == 400
    assert "TLS on a plain HTTP port" in caplog.text


def test_what_came_before_the_broken_bytes_is_answered(raw: Raw) -> None:
    raw.send(get("/health") + b"\x00\x00")
    answers = raw.rest()
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"400"]


def test_a_head_too_large_in_one_piece(raw: Raw) -> None:
    raw.send(get("/health", "X: " + "x" * MAX_HEAD))
    assert status(raw.rest()) == 431


def test_a_head_that_never_ends(raw: Raw) -> None:
    raw.send(b"GET /health HTTP/1.1\r\nX: " + b"x" * 2_000_000)  # more than one piece
    assert status(raw.rest()) == 431


def test_many_requests_in_one_piece_are_no_head_too_large(raw: Raw) -> None:
    many = get("/health") * (MAX_HEAD // 20)
    raw.send(many[:-5])
    assert raw.until(b"}")
    raw.send(many[-5:] + many[:-5])
    assert raw.until(b"}")
    raw.send(many[-5:] + get("/none", "Connection: close"))
    assert b"HTTP/1.1 404 " in raw.rest()


def test_a_body_too_large_is_refused_before_it_is_read(raw: Raw) -> None:
    raw.send(get("/jobs/J", f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue",
                 method="PUT"))  # fmt: skip
    answer = raw.rest()
    assert status(answer) == 413
    assert b"100 Continue" not in answer


def test_a_body_too_large_that_is_sent_all_the_same_still_reads_its_answer(raw: Raw) -> None:
    raw.send(get("/jobs/J", method="PUT", body=b"x" * (MAX_BODY + 1)))
    assert status(raw.rest()) == 413


def test_a_chunked_body_too_large(raw: Raw) -> None:
    raw.send(get("/jobs/J", "Transfer-Encoding: chunked", method="PUT"))
    raw.send((b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n") * 5)
    answer = raw.rest()
    assert status(answer) == 413
    assert b"x-amzn-ErrorType: BodyTooLarge" in answer


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b"3", b'{"status":"IN_PROGRESS","status":7}', b"[" * 100_000]
)
def test_a_broken_body_is_an_invalid_request(raw: Raw, body: bytes) -> None:
    raw.send(get("/things/T/jobs/J", "Connection: close", method="POST", body=body))
    answer = raw.rest()
    assert status(answer) == 400
    assert b"x-amzn-ErrorType: InvalidRequestException" in answer


# ------------------------------------------------------------------------------- HTTP/1.1


def test_pipelined_requests_are_answered_in_order(raw: Raw) -> None:
    raw.send(get("/health") + get("/things/T/jobs/none") + get("/health", "Connection: close"))
    assert re.findall(rb"HTTP/1.1 (\d+)", raw.rest()) == [b"200", b"404", b"200"]


def test_a_request_in_single_bytes(raw: Raw) -> None:
    for byte in get("/health"):
        raw.send(bytes([byte]))
    assert raw.until(b"}").endswith(b'{"status":"ok"}')


def test_100_continue(raw: Raw) -> None:
    body = b'{"status":"IN_PROGRESS"}'
    head = get("/things/T/jobs/J", f"Content-Length: {len(body)}", "Expect: 100-continue",
               method="POST")  # fmt: skip
    raw.send(head)
    assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(body)
    assert status(raw.until(b"{}")) == 200


def test_another_expectation_is_417(raw: Raw) -> None:
    raw.send(get("/health", "Expect: miracles"))
    assert status(raw.rest()) == 417


def test_keep_alive_and_close(raw: Raw) -> None:
    for _ in range(3):
        raw.send(get("/health"))
        assert b"connection: close" not in raw.until(b"}")
    raw.send(get("/health", "Connection: close"))
    assert b"connection: close" in raw.rest()


def test_http_1_0_closes(raw: Raw) -> None:
    raw.send(b"GET /health HTTP/1.0\r\n\r\n")
    assert status(raw.rest()) == 200


def test_an_absolute_request_target(raw: Raw) -> None:
    raw.send(get("http://localhost/things/T/jobs?x=1", "Connection: close"))
    assert b"queuedJobs" in raw.rest()


@pytest.mark.parametrize("target", ["*", "http://[", "//"])
def test_a_request_target_that_is_no_path(raw: Raw, target: str) -> None:
    raw.send(get(target, "Connection: close"))
    assert status(raw.rest()) in (400, 404)


def test_an_upgrade_that_is_not_on_offer_is_passed_over(raw: Raw) -> None:
    """Java's HTTP client asks for h2c with every first request, body and all."""
    raw.send(
        get("/things/T/jobs/J", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
            "HTTP2-Settings: AAEA", method="POST", body=b'{"status":"IN_PROGRESS"}')
    )  # fmt: skip
    assert status(raw.until(b"{}")) == 200
    raw.send(get("/health", "Connection: close"))
    assert status(raw.rest()) == 200


def test_no_proxy_here(raw: Raw) -> None:
    raw.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
    assert status(raw.rest()) == 501


def test_a_client_that_says_no_more_still_hears_its_answer(raw: Raw) -> None:
    raw.send(get("/health"))
    raw.socket.shutdown(1)
    assert status(raw.rest()) == 200


def test_a_client_that_does_not_read_is_not_buffered_for(service: Served) -> None:
    with Raw(service.addresses.http) as deaf:
        deaf.socket.settimeout(0.5)
        requests_at_once = get("/things/T/jobs") * 1000
        with pytest.raises(TimeoutError):
            send_again_and_again(deaf, requests_at_once)
        assert ask(service, "GET", "/health").status_code == 200
        before = answered(service)
        with pytest.raises(TimeoutError):
            deaf.rest()  # to the last response of the last whole request
        assert answered(service) > before


def answered(service: Served) -> int:
    scraped = ask(service, "GET", "/metrics").text
    found = re.search(r'operation="GetPendingJobExecutions",outcome="accepted"} (\S+)', scraped)
    assert found
    return int(float(found[1]))


def send_again_and_again(client: Raw, data: bytes) -> None:
    for _ in range(10_000):  # 500 MB: far above what any kernel holds
        client.send(data)


def test_an_idle_connection_is_closed(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.endpoints.http.IDLE_S", -1.0)
    with Raw(service.addresses.http) as idle:
        assert idle.rest() == b""


# ------------------------------------------------------------------------------- answers


def test_every_response_has_its_own_request_id_and_a_date(service: Served) -> None:
    answers = [ask(service, "GET", "/things/T/jobs") for _ in range(3)]
    ids = {answer.headers["x-amzn-RequestId"] for answer in answers}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", one) for one in ids)
    assert answers[0].headers["date"].endswith("GMT")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("DELETE", "/things/T/jobs/J"),
        ("PATCH", "/things/T/jobs"),
        ("HEAD", "/things/T/jobs"),
        ("POST", "/things/T/jobs/J/more"),
        ("TRACE", "/things/T/jobs"),
    ],
)
def test_what_is_no_operation_is_404(service: Served, method: str, path: str) -> None:
    answer = ask(service, method, path)
    assert answer.status_code == 404
    assert answer.headers["x-amzn-ErrorType"] == "UnknownOperationException"
    if method == "HEAD":
        assert answer.content == b""
    else:
        assert answer.json()["__type"] == "UnknownOperationException"


def test_health_is_for_get_and_head(service: Served) -> None:
    assert ask(service, "GET", "/health").json() == {"status": "ok"}
    head = ask(service, "HEAD", "/health")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "15")
    for path in ("/health", "/metrics"):
        wrong = ask(service, "POST", path)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")


def test_a_fault_of_ours_is_500(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Host, "now", broken)
        answer = ask(service, "GET", "/things/T/jobs")
    assert answer.status_code == 500
    assert answer.headers["x-amzn-ErrorType"] == "InternalFailureException"
    assert ask(service, "GET", "/things/T/jobs").status_code == 200


def test_metrics_count_what_was_answered() -> None:
    with served() as up:
        create(up, "M")
        for _ in range(3):
            ask(up, "POST", "/things/T/jobs/M", json={"status": "IN_PROGRESS"})
        ask(up, "POST", "/things/T/jobs/M", json={"status": "IN_PROGRESS", "expectedVersion": 99})
        ask(up, "POST", "/things/T/jobs/none", data=b"x")
        with Raw(up.addresses.mqtt) as device:
            jobs = "$aws/things/T/jobs"
            device.mqtt("d", Publish(f"{jobs}/get", b"{}"), Publish(f"{jobs}/M/update", b"{"),
                        Publish(f"{jobs}/M/nothing", b"{}"), answers=4)  # fmt: skip
            scraped = ask(up, "GET", "/metrics")
    assert scraped.headers["content-type"].startswith("text/plain")
    lines = scraped.text.splitlines()
    for line in (
        'jobfleet_requests_total{door="http",operation="UpdateJobExecution",'
        'outcome="accepted"} 3.0',
        'jobfleet_requests_total{door="http",operation="UpdateJobExecution",'
        'outcome="VersionMismatch"} 1.0',
        'jobfleet_requests_total{door="http",operation="UpdateJobExecution",'
        'outcome="InvalidJson"} 1.0',
        'jobfleet_requests_total{door="http",operation="CreateJob",outcome="accepted"} 1.0',
        'jobfleet_requests_total{door="mqtt",operation="GetPendingJobExecutions",'
        'outcome="accepted"} 1.0',
        'jobfleet_requests_total{door="mqtt",operation="Unknown",outcome="InvalidTopic"} 1.0',
        'jobfleet_requests_total{door="mqtt",operation="UpdateJobExecution",'
        'outcome="InvalidJson"} 1.0',
        'jobfleet_job_executions{status="IN_PROGRESS"} 1.0',
        "jobfleet_jobs 1.0",
        'jobfleet_connections{door="mqtt"} 1.0',
        "jobfleet_pending_timers 0.0",
        "jobfleet_effects_total 2.0",
    ):
        assert line in lines, scraped.text


def test_json_errors_have_type_and_message(service: Served) -> None:
    answer = ask(service, "GET", "/things/T/jobs/none")
    assert json.loads(answer.content).keys() == {"__type", "message"}
    assert answer.headers["content-type"] == "application/json"
    assert time.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT")
