"""Signatures verified: botocore signs, and what it signed is bent in every way."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.endpoints.sigv4 import (
    INCOMPLETE,
    INVALID,
    MISSING,
    UNKNOWN,
    Signed,
    Verifier,
    scope_service,
)
from simulator.today import utc_now
from tests.doors_in_thread import KEY, NOW, SECRET, Raw, Served, get, served

SERVICES = ("iot-jobs-data", "iot")
VERIFIER = Verifier(KEY, SECRET)
AWS = [str(Path(sys.executable).parent / "aws")]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """botocore signs at this moment."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
    return NOW


def signed(
    method: str = "POST",
    url: str = "http://localhost:8080/things/T/jobs/J",
    body: bytes = b'{"status":"IN_PROGRESS"}',
    *,
    service: str = "iot-jobs-data",
    secret: str = SECRET,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    expires: int | None = None,
) -> Signed:
    """What botocore makes of a request, as a server sees it (it presigns without a body)."""
    if expires is not None:
        method, body = "GET", b""
    request = AWSRequest(method, url, headers or {}, body)
    credentials = Credentials(KEY, secret, token)
    if expires is None:
        SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    else:
        SigV4QueryAuth(credentials, service, "us-east-1", expires=expires).add_auth(request)
    parts = urlsplit(request.url)
    given = [
        (name.lower().encode(), str(value).encode()) for name, value in request.headers.items()
    ]
    if "host" not in request.headers:
        given.append((b"host", parts.netloc.encode()))
    return Signed(method, parts.path, parts.query, given, body)


def replaced(request: Signed, name: bytes, *values: bytes) -> Signed:
    """The same with other values of a header."""
    kept = [pair for pair in request.headers if pair[0] != name]
    return request._replace(headers=[*kept, *((name, value) for value in values)])


def authorization(request: Signed) -> bytes:
    return dict(request.headers)[b"authorization"]


def error(request: Signed, now: datetime, services: tuple[str, ...] = SERVICES) -> str | None:
    return VERIFIER.verify(request, services, now).error


SCOPE = f"{KEY}/20261124/us-east-1/iot/aws4_request"


def made_earlier() -> Signed:
    """A good request, signed by hand."""
    digest = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/jobs\n\nhost:h\nx-amz-date:20261124T120000Z\n\nhost;x-amz-date\n{digest}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n20261124T120000Z\n{SCOPE.partition('/')[2]}\n{hashed}"
    key = f"AWS4{SECRET}".encode()
    for part in SCOPE.split("/")[1:]:
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    header = (f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-date, "
              f"Signature={signature}")  # fmt: skip
    headers = [(b"host", b"h"), (b"x-amz-date", b"20261124T120000Z")]
    return Signed("GET", "/jobs", "", [*headers, (b"authorization", header.encode())], b"")


MADE_EARLIER = made_earlier()


# ------------------------------------------------------------------------------- what is good


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"service": "iot"},
        {"method": "GET", "url": "http://h/things/T/jobs/%24next?includeJobDocument=true&a=%20b"},
        {"method": "PUT", "url": "http://h/things/a%3Ab/jobs/$next", "body": b""},
        {"method": "GET", "url": "http://h/jobs?maxResults=2&nextToken=a%2Bb%2F%3D&b=&b=1"},
        {"method": "GET", "url": "http://h/", "body": b""},
        {"method": "GET", "url": "http://h//things/./T/../T/jobs/", "body": b""},
        {"token": "session/token+="},
        {"headers": {"X-Amz-Meta": "  two   blanks ", "Content-Type": "application/json"}},
        {"expires": 60},
        {"method": "GET", "url": "http://h/things/T/jobs?b=2&a=1", "body": b"", "expires": 60},
        {"token": "session/token+=", "expires": 60},
    ],
)
def test_what_botocore_signs_is_good(made: dict[str, Any], now: datetime) -> None:
    request = signed(**made)
    verdict = VERIFIER.verify(request, SERVICES, now)
    assert (verdict.error, verdict.message) == (None, "")
    assert verdict.service == made.get("service", "iot-jobs-data")
    assert scope_service(request.headers, request.query) == verdict.service
    # once more, with the key derived already
    assert error(request, now) is None


@pytest.mark.parametrize("added_after", [False, True])
def test_the_websocket_s_token_may_be_signed_or_added_after(
    added_after: bool, now: datetime
) -> None:
    url = "http://h/mqtt"
    token = None if added_after else "session/token"
    request = signed("GET", url, b"", service="iotdevicegateway", token=token, expires=60)
    if added_after:
        query = request.query + "&X-Amz-Security-Token=session%2Ftoken"
        request = request._replace(query=query)
    assert error(request, now, ("iotdevicegateway",)) is None
    assert error(request, now) == INVALID
    bent = request._replace(query=request.query + "&X-Amz-More=1")
    assert error(bent, now, ("iotdevicegateway",)) == INVALID


def test_a_websocket_url_without_an_expiry_is_good_for_five_minutes(now: datetime) -> None:
    """AWS's own signers leave X-Amz-Expires out there."""
    scope = "20261124/us-east-1/iotdevicegateway/aws4_request"
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + f"{KEY}/{scope}".replace("/", "%2F")
        + "&X-Amz-Date=20261124T120000Z&X-Amz-SignedHeaders=host"
    )  # fmt: skip
    digest = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/mqtt\n{query}\nhost:h\n\nhost\n{digest}".encode()
    text = f"AWS4-HMAC-SHA256\n20261124T120000Z\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    request = Signed("GET", "/mqtt", f"{query}&X-Amz-Signature={signature}", [(b"host", b"h")], b"")
    gateway = ("iotdevicegateway",)
    assert error(request, now + timedelta(seconds=300), gateway) is None
    assert error(request, now + timedelta(seconds=301), gateway) == INVALID


# ------------------------------------------------------------------------------- what is not


def test_a_request_signed_by_hand_is_good() -> None:
    assert error(MADE_EARLIER, NOW) is None


def test_what_is_bent_does_not_match(now: datetime) -> None:
    request = signed()
    assert error(request, now) is None
    for bent in (
        request._replace(body=b'{"status":"SUCCEEDED"}'),
        request._replace(path="/things/T2/jobs/J"),
        request._replace(query="a=1"),
        request._replace(method="PUT"),
        replaced(request, b"host", b"elsewhere"),
        replaced(request, b"host", b"localhost:8080", b"elsewhere"),
        replaced(request, b"x-amz-date", b"20261124T120001Z"),
        replaced(request, b"authorization", authorization(request)[:-1] + b"g"),
    ):
        verdict = VERIFIER.verify(bent, SERVICES, now)
        assert verdict.error == INVALID
        assert "does not match" in verdict.message
    assert error(signed(secret="another"), now) == INVALID


def test_an_unknown_key_is_an_unrecognized_client(now: datetime) -> None:
    assert Verifier("AKIDOTHER", SECRET).verify(signed(), SERVICES, now).error == UNKNOWN


def test_a_signature_for_another_service_is_not_ours(now: datetime) -> None:
    verdict = VERIFIER.verify(signed(service="s3"), SERVICES, now)
    assert (verdict.error, verdict.service) == (INVALID, "s3")
    assert "'iot-jobs-data' or 'iot'" in verdict.message


@pytest.mark.parametrize(
    ("seconds", "wanted", "words"),
    [
        (0, None, ""),
        (300, None, ""),
        (-300, None, ""),
        (301, INVALID, "Signature expired"),
        (-301, INVALID, "Signature not yet current"),
    ],
)
def test_five_minutes_of_skew(seconds: int, wanted: str | None, words: str, now: datetime) -> None:
    verdict = VERIFIER.verify(signed(), SERVICES, now + timedelta(seconds=seconds))
    assert verdict.error == wanted
    assert words in verdict.message


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(60, None), (61, INVALID), (-300, None), (-301, INVALID)]
)
def test_a_presigned_url_expires_when_it_says(
    seconds: int, wanted: str | None, now: datetime
) -> None:
    assert error(signed(expires=60), now + timedelta(seconds=seconds)) == wanted


def test_the_scope_s_day_is_the_request_s(now: datetime) -> None:
    request = signed()
    bent = authorization(request).replace(b"/20261124/", b"/20261123/")
    verdict = VERIFIER.verify(replaced(request, b"authorization", bent), SERVICES, now)
    assert "Date in Credential scope" in verdict.message


def test_host_and_amz_headers_must_be_signed(now: datetime) -> None:
    request = signed()
    more = request._replace(headers=[*request.headers, (b"x-amz-added", b"1")])
    assert "must be signed: x-amz-added" in VERIFIER.verify(more, SERVICES, now).message
    bent = authorization(request).replace(b"SignedHeaders=host;", b"SignedHeaders=")
    less = replaced(request, b"authorization", bent)
    assert "must be signed: host" in VERIFIER.verify(less, SERVICES, now).message
    bent = authorization(request).replace(b"SignedHeaders=", b"SignedHeaders=absent;")
    absent = replaced(request, b"authorization", bent)
    assert "absent: absent" in VERIFIER.verify(absent, SERVICES, now).message


def test_nothing_at_all_is_a_missing_token(now: datetime) -> None:
    assert error(Signed("GET", "/", "", [(b"host", b"h")], b""), now) == MISSING


@pytest.mark.parametrize(
    "text",
    [
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws5_request, SignedHeaders=host, Signature=0",
        "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0",
    ],
)
def test_a_header_that_is_not_whole(text: str, now: datetime) -> None:
    headers = [(b"authorization", text.encode()), (b"host", b"h"), (b"x-amz-date", b"x")]
    assert error(Signed("GET", "/", "", headers, b""), now) == INCOMPLETE


def test_a_date_that_is_none(now: datetime) -> None:
    request = signed()
    assert error(replaced(request, b"x-amz-date"), now) == INCOMPLETE
    assert error(replaced(request, b"x-amz-date", b"yesterday"), now) == INCOMPLETE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none"),
        ("X-Amz-Expires=60", "X-Amz-Expires=x"),
        ("X-Amz-Expires=60", "X-Amz-Expires=0"),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801"),
        ("X-Amz-Date=", "X-Amz-Datum="),
        ("aws4_request", "aws5_request"),
    ],
)
def test_a_presigned_url_that_is_not_whole(old: str, new: str, now: datetime) -> None:
    request = signed(expires=60)
    assert old in request.query
    assert error(request._replace(query=request.query.replace(old, new)), now) == INCOMPLETE


def test_only_one_way_to_sign(now: datetime) -> None:
    both = signed(expires=60)._replace(headers=signed().headers)
    assert error(both, now) == INCOMPLETE


def test_keys_of_many_scopes_are_not_kept_for_ever(now: datetime) -> None:
    verifier = Verifier(KEY, SECRET)
    request = signed()
    for number in range(300):
        bent = authorization(request).replace(b"us-east-1", b"region-%d" % number)
        verifier.verify(replaced(request, b"authorization", bent), SERVICES, now)
    assert len(verifier._keys) <= 101
    assert verifier.verify(request, SERVICES, now).error is None


@pytest.mark.parametrize(
    ("headers", "query", "service"),
    [
        ([], "", None),
        ([(b"authorization", b"Bearer x")], "", None),
        ([(b"authorization", b"AWS4 Credential=a/b/c/iot/aws4_request, x")], "", "iot"),
        ([], "X-Amz-Credential=a%2Fb%2Fc%2Fiot%2Faws4_request&x=1", "iot"),
        ([], "X-Amz-Credential=a", None),
    ],
)
def test_the_service_that_a_request_says_it_is_for(
    headers: list[tuple[bytes, bytes]], query: str, service: str | None
) -> None:
    assert scope_service(headers, query) == service


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=200), st.text(max_size=60),
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=3),
)  # fmt: skip
def test_whatever_comes_there_is_a_verdict(
    text: str, query: str, more: list[tuple[bytes, bytes]]
) -> None:
    for given_query, header in ((query, text), (f"X-Amz-Algorithm={text}&{query}", None)):
        headers = [(b"host", b"h"), *more]
        if header is not None:
            headers.append((b"authorization", header.encode()))
        request = Signed("GET", "/things/" + query, given_query, headers, b"")
        assert error(request, NOW) in (MISSING, INCOMPLETE, UNKNOWN, INVALID)


def test_one_wrong_character_anywhere_is_one_too_many() -> None:
    text = authorization(MADE_EARLIER).decode()
    for at, character in enumerate(text):
        if character not in " ,":
            bent = text[:at] + ("x" if character != "x" else "y") + text[at + 1 :]
            assert error(replaced(MADE_EARLIER, b"authorization", bent.encode()), NOW), bent


# ------------------------------------------------------------------------------- over the door


@pytest.fixture(scope="module")
def guarded() -> Iterator[Served]:
    """A service that verifies, at the calendar's own time."""
    with served(keys=(KEY, SECRET)) as up:
        yield up


def client(up: Served, service: str, secret: str = SECRET, key: str = KEY) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{up.addresses.http}",
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


def test_boto3_is_let_in_on_both_planes(guarded: Served) -> None:
    control, data = client(guarded, "iot"), client(guarded, "iot-jobs-data")
    arn = control.create_thing(thingName="a:b")["thingArn"]
    control.create_job(jobId="S", targets=[arn], document='{"ü": "%2F"}')
    started = data.start_next_pending_job_execution(thingName="a:b")["execution"]
    assert started["jobId"] == "S"
    shown = data.describe_job_execution(thingName="a:b", jobId="$next", includeJobDocument=True)
    assert shown["execution"]["jobDocument"] == '{"ü": "%2F"}'
    done = data.update_job_execution(
        thingName="a:b", jobId="S", status="SUCCEEDED", statusDetails={"a": "ü"},
        includeJobExecutionState=True,
    )  # fmt: skip
    assert done["executionState"]["versionNumber"] == 3
    rows = control.list_job_executions_for_job(jobId="S", maxResults=1)["executionSummaries"]
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"key": "AKIDOTHER"}, "UnrecognizedClientException"),
    ],
)
@pytest.mark.parametrize("plane", ["iot", "iot-jobs-data"])
def test_boto3_with_wrong_keys_is_refused(
    guarded: Served, plane: str, keys: dict[str, str], wanted: str
) -> None:
    wrong = client(guarded, plane, **keys)
    with pytest.raises(ClientError) as caught:
        wrong.describe_job_execution(thingName="T", jobId="S")
    answer = caught.value.response
    assert answer["Error"]["Code"] == wanted
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert answer["ResponseMetadata"]["RequestId"]


def test_a_clock_that_is_wrong_is_told_over_the_door() -> None:
    later = utc_now() + timedelta(minutes=6)
    with served(keys=(KEY, SECRET), utc_now=lambda: later) as up:
        with pytest.raises(ClientError, match="Signature expired") as caught:
            client(up, "iot").describe_job(jobId="S")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_forged_body_changes_nothing(guarded: Served) -> None:
    now = utc_now()
    url = f"http://127.0.0.1:{guarded.addresses.http}/jobs/forged"
    arn = "arn:aws:iot:us-east-1:123456789012:thing/T"
    body = json.dumps({"targets": [arn], "document": "{}"}).encode()
    request = signed("PUT", url, body, service="iot")
    assert error(request, now) is None
    lines = [f"{n.decode()}: {v.decode()}" for n, v in request.headers if n != b"host"]
    with Raw(guarded.addresses.http) as raw:
        raw.send(
            get(request.path, *lines, "Connection: close", method="PUT",
                body=body.replace(b"thing/T", b"thing/T2")).replace(
                b"Host: localhost", b"Host: " + dict(request.headers)[b"host"])
        )  # fmt: skip
        answer = raw.rest()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"x-amzn-ErrorType: InvalidSignatureException" in answer
    assert "forged" not in guarded.host.service.jobs


def test_unsigned_requests_are_refused_but_for_health_and_metrics(guarded: Served) -> None:
    with Raw(guarded.addresses.http) as raw:
        raw.send(get("/things/T/jobs") + get("/jobs/S") + get("/nowhere", "Connection: close"))
        assert raw.rest().count(b"x-amzn-ErrorType: MissingAuthenticationTokenException") == 3
    with Raw(guarded.addresses.http) as raw:
        raw.send(get("/health") + get("/metrics", "Connection: close"))
        assert raw.rest().count(b"HTTP/1.1 200 OK") == 2


def test_a_refusal_is_a_log_line(guarded: Served, caplog: pytest.LogCaptureFixture) -> None:
    with Raw(guarded.addresses.http) as raw:
        raw.send(get("/things/T/jobs", "Connection: close"))
        raw.rest()
    assert "GetPendingJobExecutions refused: MissingAuthenticationTokenException" in caplog.text


@pytest.mark.slow
def test_the_aws_cli_signs_well_enough_and_unsigned_is_refused(guarded: Served) -> None:
    env = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
    command = [*AWS, "iot-jobs-data", "get-pending-job-executions", "--thing-name", "T",
               "--endpoint-url", f"http://127.0.0.1:{guarded.addresses.http}"]  # fmt: skip
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"inProgressJobs": [], "queuedJobs": []}
    unsigned = subprocess.run(
        [*command, "--no-sign-request"], env=env, capture_output=True, text=True, check=False
    )
    assert unsigned.returncode
    assert "MissingAuthenticationTokenException" in unsigned.stderr
