"""Both CLIs on the same command lines against the same service, and what is equal then.

Equal means: after the names of the two things (each CLI has its own), the clock, and the words
``aws`` and ``jobfleet`` are made the same, and the usage text and our hints are left out.
"""

import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import boto3

from tests.aws_cli.cases import CASES, FILES, Case

ROOT = Path(__file__).parents[2]
AWS = Path("/usr/bin/aws")
BATCH = ROOT / "tests" / "aws_cli" / "batch.py"


def why_not() -> str | None:
    """Why the AWS CLI v2 cannot stand beside ours here, or None."""
    if shutil.which("openssl") is None:
        return "no openssl to make a certificate with"
    if not AWS.exists():
        return "no /usr/bin/aws: apt-get install awscli (Debian's package is version 2)"
    if not AWS.read_bytes().startswith(b"#!/usr/bin/python3"):
        return "/usr/bin/aws is not Debian's Python program"
    said = subprocess.run([AWS, "--version"], capture_output=True, text=True, check=False).stdout
    return None if said.startswith("aws-cli/2.") else f"/usr/bin/aws is not version 2: {said!r}"


def environment(directory: Path) -> dict[str, str]:
    """A world without the machine's own AWS configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "nowhere"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "DIR": str(directory),
        "HOME": str(directory),
        "LC_ALL": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
    }


# ------------------------------------------------------------------------------- services


@contextmanager
def serving(*options: str) -> Iterator[tuple[int, int, IO[str]]]:
    """``jobfleet serve`` on free ports: its HTTP port, its MQTT port, its log."""
    # Time all but stands still, so that both CLIs are told the same.
    command = [sys.executable, "-m", "simulator.cli", "serve", "--json", "--time-scale", "1e-6"]
    command += ["--mqtt-port", "0", "--http-port", "0", *options]
    with (
        open(os.devnull) as nothing,
        subprocess.Popen(
            command, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=ROOT,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            said = json.loads(process.stdout.readline())
            yield said["http"], said["mqtt"], process.stderr
        finally:
            process.terminate()
            process.wait(10)


class Faults(http.server.BaseHTTPRequestHandler):
    """Answers with the fault that the thing is called after: ``STATUS-Code``."""

    protocol_version = "HTTP/1.1"
    seen: dict[str, int] = {}  # noqa: RUF012 - one per test run is meant

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.split("/")[2]
        status, _, code = name.partition("-")
        headers = {"x-amzn-ErrorType": code} if code else {}
        body = json.dumps({"message": f"a fault: {code}"}).encode()
        if status == "once":
            self.seen[name] = self.seen.get(name, 0) + 1
            status, headers = ("500", headers) if self.seen[name] == 1 else ("200", {})
            body = b'{"queuedJobs": []}'
        if status == "slow":
            time.sleep(2)
        if status in ("slow", "closed"):
            self.close_connection = True
            return
        if code == "html":
            headers, body = {}, b"<html>"
        self.send_response(int(status))
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextmanager
def faults(certificate: Path | None = None) -> Iterator[int]:
    """The server of faults, over TLS where it is given a certificate; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faults)
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certify(path: Path) -> None:
    """A self-signed certificate for 127.0.0.1 and its key in one file."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = subprocess.run(
        [*command, "-keyout", "-", "-out", "-"], capture_output=True, check=True, timeout=60
    )
    path.write_bytes(made.stdout)


# ------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Said:
    """What a CLI said, made comparable."""

    code: int
    out: str
    err: str


def thing(number: int, cli: str) -> str:
    return f"T-{number:03}-{cli[0]}"


def prepare(port: int, cases: list[Case]) -> None:
    """Two things for each case, jobs J and K for all, J started where the case wants it."""

    def client(service: str) -> Any:
        return boto3.client(
            service, endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret",
        )  # fmt: skip

    iot, data = client("iot"), client("iot-jobs-data")
    group = iot.create_thing_group(thingGroupName="all")["thingGroupArn"]
    for number in range(len(cases)):
        for cli in ("aws", "jobfleet"):
            iot.create_thing(thingName=thing(number, cli))
            iot.add_thing_to_thing_group(thingName=thing(number, cli), thingGroupName="all")
    for job in "JK":
        iot.create_job(jobId=job, targets=[group], document='{"a":"ä"}')
    for number, case in enumerate(cases):
        if case.started:
            for cli in ("aws", "jobfleet"):
                data.start_next_pending_job_execution(thingName=thing(number, cli))


def run_both(directory: Path) -> dict[str, tuple[Said, Said]]:
    """Every case with both CLIs: the AWS CLI's answer and ours."""
    for name, contents in FILES.items():
        (directory / name).write_bytes(contents)
    cases = list(CASES.values())
    certify(directory / "cert.pem")
    with (
        serving() as (port, _, _),
        faults() as fault_port,
        faults(directory / "cert.pem") as tls_port,
    ):
        prepare(port, cases)
        places = {
            "dir": str(directory),
            "faults": f"http://127.0.0.1:{fault_port}",
            "tls": f"https://127.0.0.1:{tls_port}",
            "service": f"http://127.0.0.1:{port}",
        }
        with ThreadPoolExecutor(2) as pool:
            theirs = pool.submit(_run, "aws", cases, places)
            ours = pool.submit(_run, "jobfleet", cases, places)
            return dict(zip(CASES, zip(theirs.result(), ours.result(), strict=True), strict=True))


def _run(cli: str, cases: list[Case], places: dict[str, str]) -> list[Said]:
    asked = []
    for number, case in enumerate(cases):
        argv = [_filled(word, number, cli, places) for word in case.argv]
        if "--endpoint-url" not in argv:
            argv += ["--endpoint-url", places["service"]]
        env = {
            name: None if value is None else _filled(value, number, cli, places)
            for name, value in case.env.items()
        }
        asked.append({"argv": argv, "env": env})
    python = sys.executable if cli == "jobfleet" else "/usr/bin/python3"
    done = subprocess.run(
        [python, BATCH, cli], input=json.dumps(asked), capture_output=True, text=True,
        env={**environment(Path(places["dir"])), "PYTHONPATH": str(ROOT)},
        timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [
        Said(said["code"], _alike(said["out"], number, cli), _alike(said["err"], number, cli))
        for number, said in enumerate(json.loads(done.stdout))
    ]


def _filled(word: str, number: int, cli: str, places: dict[str, str]) -> str:
    word = word.replace("{T}", thing(number, cli))
    for name, value in places.items():
        word = word.replace(f"{{{name}}}", value)
    return word


def _alike(text: str, number: int, cli: str) -> str:
    """Without what must differ."""
    text = text.replace(thing(number, cli), "T-000-x")
    text = re.sub(r"\b17672\d{5}\b", "1767200000", text)
    text = re.sub(r"^usage: .*?(?=\n\n\w)", "usage", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^Hint: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^.*: (\w+Warning): .*\n.*\n", r"\1\n", text, flags=re.MULTILINE)
    text = re.sub(r"_ssl\.c:\d+", "_ssl.c", text)  # the two Pythons may differ
    text = text.replace("\x1b[0m", "")  # colorama ends a colour after each write
    return text.replace("jobfleet: error:", "aws: error:")
