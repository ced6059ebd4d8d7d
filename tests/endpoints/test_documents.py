"""documentSource: S3 through botocore, files of a served directory, and nothing else."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from simulator.endpoints.documents import MAX_DOCUMENT, MAX_SOURCE, Documents, s3_address
from simulator.errors import InvalidRequest
from tests.doors_in_thread import Raw, Served, get, served

DOCUMENT = '{"operation":"blink","ü":1}'
ARN = "arn:aws:iot:us-east-1:123456789012:thing/T"


class Bucket(BaseHTTPRequestHandler):
    """As much of S3 as GetObject with path addressing asks for."""

    objects: ClassVar = {
        "/docs/blink.json": DOCUMENT.encode(),
        "/docs/large": b"1" * (MAX_DOCUMENT + 1),
        "/docs/a%20b/c.json": b"{}",
        "/docs/latin": b"\xff",
    }
    gate = threading.Event()
    asked = threading.Event()

    def do_GET(self) -> None:
        signed = "/s3/aws4_request" in self.headers.get("Authorization", "")
        path = self.path.partition("?")[0]
        if path == "/docs/slow":
            self.asked.set()
            self.gate.wait(10)
            self._answer(200, b"{}")
        elif signed and path in self.objects:
            self._answer(200, self.objects[path])
        else:
            code = "NoSuchKey" if signed else "AccessDenied"
            self._answer(404 if signed else 403, f"<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not a word."""


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    served_one = tmp_path / "served"
    (served_one / "sub").mkdir(parents=True)
    (served_one / "blink.json").write_text(DOCUMENT)
    (served_one / "sub" / "a b.json").write_text("{}")
    (tmp_path / "secret").write_text("secret")
    (served_one / "link").symlink_to(tmp_path / "secret")
    (served_one / "large").write_text("1" * (MAX_DOCUMENT + 1))
    return served_one


def fetch(documents: Documents, source: str) -> str:
    return asyncio.run(documents.fetch(source))


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("s3://docs/blink.json", ("docs", "blink.json")),
        ("s3://My_Bucket/a/b%20c", ("My_Bucket", "a/b c")),
        ("https://s3.amazonaws.com/docs/a/b.json", ("docs", "a/b.json")),
        ("https://s3.eu-central-1.amazonaws.com/docs/a", ("docs", "a")),
        ("https://s3-us-west-2.amazonaws.com/docs/a", ("docs", "a")),
        ("https://s3.dualstack.eu-west-1.amazonaws.com/docs/a", ("docs", "a")),
        ("https://s3.cn-north-1.amazonaws.com.cn/docs/a", ("docs", "a")),
        ("https://docs.s3.amazonaws.com/a/b.json", ("docs", "a/b.json")),
        ("https://my.docs.s3.eu-central-1.amazonaws.com/a", ("my.docs", "a")),
    ],
)
def test_addresses_of_s3(source: str, address: tuple[str, str]) -> None:
    assert s3_address(source) == address


@pytest.mark.parametrize(
    "source",
    ["s3://docs", "s3://docs/", "s3:///key", "s3:docs/key", "https://example.org/docs/key",
     "https://s3.amazonaws.com/docs", "https://s3.amazonaws.com.evil.example/docs/key",
     "https://[/x"],
)  # fmt: skip
def test_what_is_no_address_of_s3(source: str) -> None:
    with pytest.raises(InvalidRequest, match="no address of an S3 object"):
        s3_address(source)


def test_an_object_is_read_through_botocore(s3: str) -> None:
    documents = Documents(None, s3)
    assert fetch(documents, "s3://docs/blink.json") == DOCUMENT
    assert fetch(documents, "https://docs.s3.eu-central-1.amazonaws.com/a%20b/c.json") == "{}"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://docs/none", "NoSuchKey"),
        ("s3://docs/large", "larger than 32768 bytes"),
        ("s3://docs/latin", "not UTF-8"),
        ("ftp://docs/blink.json", "allowed are s3://BUCKET/KEY"),
        ("blink.json", "allowed are s3://BUCKET/KEY"),
        ("", "1 to 1350 characters"),
        ("s3://docs/" + "x" * MAX_SOURCE, "1 to 1350 characters"),
    ],
)
def test_an_object_that_cannot_be_a_document(s3: str, source: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        fetch(Documents(None, s3), source)


def test_without_credentials_s3_is_not_read(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InvalidRequest, match="no AWS credentials"):
        fetch(Documents(None, s3), "s3://docs/blink.json")


def test_an_s3_that_is_not_there() -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        fetch(Documents(None, "http://127.0.0.1:1"), "s3://docs/blink.json")


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("file:blink.json", DOCUMENT),
        ("file:///blink.json", DOCUMENT),
        ("FILE:sub/../blink.json", DOCUMENT),
        ("file:sub/a%20b.json", "{}"),
    ],
)
def test_files_of_the_served_directory(folder: Path, source: str, content: str) -> None:
    assert fetch(Documents(folder), source) == content


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("file:../secret", "outside the served directory"),
        ("file:%2e%2e/secret", "outside the served directory"),
        ("file:sub/../../secret", "outside the served directory"),
        ("file:link", "outside the served directory"),
        ("file:///etc/passwd", "No such file"),
        ("file:none", "No such file"),
        ("file:sub", "Is a directory"),
        ("file:a%00b", "cannot be read"),
        ("file:large", "larger than 32768 bytes"),
    ],
)
def test_nothing_else_is_read(folder: Path, source: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        fetch(Documents(folder), source)


def test_without_a_directory_no_file_is_read() -> None:
    with pytest.raises(InvalidRequest, match="start with --documents DIR"):
        fetch(Documents(), "file:blink.json")


# ------------------------------------------------------------------------------- over the door


@pytest.fixture
def service(folder: Path, s3: str) -> Iterator[Served]:
    (folder / "broken").write_text("{")
    with served(documents=folder, s3_endpoint_url=s3) as up:
        yield up


def create(up: Served, job: str, **members: Any) -> requests.Response:
    return requests.put(
        f"http://127.0.0.1:{up.addresses.http}/jobs/{job}",
        data=json.dumps({"targets": [ARN], **members}),
        timeout=10,
    )


@pytest.mark.parametrize("source", ["file:blink.json", "s3://docs/blink.json"])
def test_a_job_whose_document_lies_elsewhere(service: Served, source: str) -> None:
    assert create(service, "J", documentSource=source).status_code == 200
    assert service.host.service.jobs["J"].document == DOCUMENT


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"documentSource": "file:none"}, "No such file"),
        ({"documentSource": "file:broken"}, "not valid JSON"),
        ({"documentSource": "file:blink.json", "document": "{}"}, "not both"),
        ({"documentSource": 7}, "Invalid request"),
        ({"documentSource": ""}, "1 to 1350"),
        ({"documentSource": "file:blink.json", "targets": 7}, "Invalid request"),
    ],
)
def test_a_source_that_is_wrong_makes_no_job(
    service: Served, members: dict[str, Any], words: str
) -> None:
    answer = create(service, "J", **members)
    assert answer.status_code == 400
    assert answer.headers["x-amzn-ErrorType"] == "InvalidRequestException"
    assert words in answer.json()["message"]
    assert not service.host.service.jobs


def test_a_body_that_only_looks_like_it_has_a_source(service: Served) -> None:
    url = f"http://127.0.0.1:{service.addresses.http}/jobs/J"
    for body in (b'{"documentSource"', b'["documentSource"]', b'\xff"documentSource"'):
        answer = requests.put(url, data=body, timeout=5)
        assert answer.headers["x-amzn-ErrorType"] == "InvalidRequestException"


def test_a_slow_source_holds_up_nobody_else(service: Served) -> None:
    Bucket.gate.clear()
    Bucket.asked.clear()
    answers: list[requests.Response] = []
    slow = threading.Thread(
        target=lambda: answers.append(create(service, "J", documentSource="s3://docs/slow"))
    )
    slow.start()
    assert Bucket.asked.wait(10)
    url = f"http://127.0.0.1:{service.addresses.http}/health"
    assert requests.get(url, timeout=5).status_code == 200
    assert not answers
    Bucket.gate.set()
    slow.join(10)
    assert answers[0].status_code == 200


def test_what_is_pipelined_behind_a_source_waits_its_turn(service: Served) -> None:
    body = json.dumps({"targets": [ARN], "documentSource": "file:blink.json"}).encode()
    with Raw(service.addresses.http) as raw:
        raw.send(
            get("/jobs/J", method="PUT", body=body)
            + get("/things/T/jobs")
            + get("/jobs/K", method="PUT", body=body)
            + get("/things/T/jobs/K", "Connection: close")
        )
        answer = raw.rest()
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    marks = [answer.index(b'"jobArn"'), answer.index(b"queuedJobs"), answer.index(b'"execution"')]
    assert marks == sorted(marks)


def test_an_upgrade_behind_a_source_is_not_taken(service: Served) -> None:
    body = json.dumps({"targets": [ARN], "documentSource": "file:blink.json"}).encode()
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    with Raw(service.addresses.http) as raw:
        raw.send(get("/jobs/J", method="PUT", body=body) + get("/mqtt", *upgrade))
        assert raw.rest().count(b"HTTP/1.1 ") == 1


def test_a_fault_while_a_document_is_read_is_500(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(Documents, "_read_file", broken)
    answer = create(service, "J", documentSource="file:blink.json")
    assert answer.status_code == 500
    assert answer.headers["x-amzn-ErrorType"] == "InternalFailureException"


def test_stopping_finishes_what_is_being_read(folder: Path, s3: str) -> None:
    Bucket.gate.clear()
    Bucket.asked.clear()
    answers: list[requests.Response] = []
    with served(documents=folder, s3_endpoint_url=s3) as up:
        slow = threading.Thread(
            target=lambda: answers.append(create(up, "J", documentSource="s3://docs/slow"))
        )
        slow.start()
        assert Bucket.asked.wait(10)
        opening = threading.Timer(0.1, Bucket.gate.set)
        opening.start()
    slow.join(10)
    opening.join()
    assert answers[0].status_code == 200


def test_a_client_that_goes_while_its_document_is_read(service: Served) -> None:
    Bucket.gate.clear()
    Bucket.asked.clear()
    body = json.dumps({"targets": [ARN], "documentSource": "s3://docs/slow"}).encode()
    with Raw(service.addresses.http) as raw:
        raw.send(get("/jobs/J", method="PUT", body=body) + get("/health"))
        assert Bucket.asked.wait(10)
    Bucket.gate.set()
    while not service.call(lambda: "J" in service.host.service.jobs):
        pass
    assert create(service, "K", document="{}").status_code == 200
