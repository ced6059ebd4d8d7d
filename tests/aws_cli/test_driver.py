"""What is ours alone: hints, help, samples, the pager, the version; in this process."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from simulator.aws_cli import skeleton
from simulator.aws_cli.driver import main
from simulator.aws_cli.options import read_globals
from simulator.aws_cli.session import OPERATIONS, Caller
from tests.aws_cli.beside import environment, faults

OURS = [sys.executable, "-m", "simulator.cli", "iot-jobs-data"]
UPDATE = ["update-job-execution", "--job-id", "J", "--thing-name"]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    return code, out, err


# ------------------------------------------------------------------------------- samples


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_sample_reply_is_valid_by_the_model(operation: str) -> None:
    model = botocore.session.Session().get_service_model("iot-jobs-data")
    shape = model.operation_model(operation).output_shape
    sample = skeleton.sample(shape, filled=True)
    report = ParamValidator().validate(sample, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(sample) == set(shape.members)


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("update-job-execution", ["--job-id", "J", "--status", "IN_PROGRESS"]),
        ("describe-job-execution", ["--job-id", "J"]),
        ("start-next-pending-job-execution", []),
    ],
)
def test_the_output_sample_that_the_aws_cli_refuses_is_printed(
    command: str, more: list[str], world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [command, "--thing-name", "T", *more, "--generate-cli-skeleton", "output"]
    code, out, err = said(capsys, *argv)
    assert (code, err) == (0, "")
    state: Any = next(iter(json.loads(out).values()))
    assert state["statusDetails"] == {"KeyName": "DetailsValue"}
    assert state["status"] == "QUEUED"
    code, out, err = said(capsys, *argv, "--query", "*.status | [0]", "--output", "text")
    assert (code, out, err) == (0, "QUEUED\n", "")
    argv[2] = ""
    code, out, err = said(capsys, *argv)
    assert (code, out) == (252, "")
    assert "Invalid length for parameter thingName, value: 0, valid min length: 1" in err


def test_an_input_skeleton_filled_in_is_an_input(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "update-job-execution", "--generate-cli-skeleton", "yaml-input")
    assert code == 0
    (world / "in.yaml").write_text(out.replace("''", "filled"))
    argv = ["--cli-input-yaml", f"file://{world}/in.yaml", "--generate-cli-skeleton", "output"]
    # `output` asks for the required arguments on the line, so they are given there as well
    code, _, err = said(capsys, *UPDATE, "T", "--status", "FAILED", *argv)
    assert (code, err) == (0, "")


# ------------------------------------------------------------------------------- hints


def test_success_goes_out_as_typed_and_is_hinted_at(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faults() as port:
        where = ["--endpoint-url", f"http://127.0.0.1:{port}"]
        code, out, err = said(
            capsys, *UPDATE, "400-InvalidRequestException", "--status", "SUCCESS", *where
        )
        assert (code, out) == (254, "")
        assert err.endswith("is spelled SUCCEEDED\n")
        assert err.count("Hint: ") == 1
        refusal = "409-InvalidStateTransitionException"
        for status in ("REMOVED", "QUEUED", "CANCELED", "TIMED_OUT"):
            code, _, err = said(capsys, *UPDATE, refusal, "--status", status, *where)
            assert code == 254
            assert f"Hint: a device may not set {status} on AWS" in err
            assert "`jobfleet serve --dialect cli-page` accepts it\n" in err
        code, _, err = said(capsys, *UPDATE, refusal, "--status", "FAILED", *where)
        assert (code, "Hint" in err) == (254, False)


# ------------------------------------------------------------------------------- help


def test_help_comes_from_the_model(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["help"], ["--help"]):
        code, out, err = said(capsys, *argv)
        assert (code, err) == (0, "")
        assert "update-job-execution" in out
        assert "--cli-read-timeout" in out
    for argv in (["update-job-execution", "help"], ["--help", "update-job-execution"]):
        code, out, err = said(capsys, *argv)
        assert (code, err) == (0, "")
        assert "--include-job-execution-state | --no-include-job-execution-state" in out
        assert "--status (string)\n      Required. The new status for the job execution" in out
        assert "SUCCEEDED, FAILED, TIMED_OUT" in out
        assert "--generate-cli-skeleton" in out
        assert "executionState (structure)" in out
        assert "<p>" not in out


def test_jobfleet_help_lists_the_command_and_loads_no_botocore() -> None:
    code = (
        "import sys; from simulator.cli import app; "
        "sys.exit(any(name in sys.modules for name in ('botocore', 'jmespath', 'ruamel.yaml')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    done = subprocess.run([*OURS[:3], "--help"], capture_output=True, text=True, check=False)
    assert "iot-jobs-data" in done.stdout


def test_version(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--version")
    assert code == 0
    assert out.startswith("jobfleet/")
    assert "botocore/" in out


def test_there_is_no_prompt(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "--cli-auto-prompt", "update-job-execution")
    assert (code, out) == (252, "")
    assert err == "\n--cli-auto-prompt is not supported by jobfleet\n"


# ------------------------------------------------------------------------------- streams


def test_debug_goes_to_stderr_and_the_reply_stays_alone_on_stdout(world: Path) -> None:
    with faults() as port:
        command = [*OURS, "get-pending-job-executions", "--thing-name", "200-fine", "--debug"]
        done = subprocess.run(
            [*command, "--endpoint-url", f"http://127.0.0.1:{port}", "--query", "`1`"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert " - MainThread - botocore.endpoint - DEBUG - " in done.stderr


def test_global_options_may_come_before_the_command(world: Path) -> None:
    more = ["get-pending-job-executions", "--generate-cli-skeleton"]
    done = subprocess.run(
        [*OURS[:3], "--region", "eu-west-1", OURS[3], *more],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)) == (0, {"thingName": ""})


def test_bytes_are_no_map(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The AWS CLI ends with 255 here too, with Python's words for its own mistake."""
    (world / "d").write_bytes(b"a=b")
    argv = [*UPDATE, "T", "--status", "FAILED", "--status-details", f"fileb://{world}/d"]
    code, _, err = said(capsys, *argv)
    assert code == 255
    assert err == "\n--status-details takes text, and fileb:// gives bytes: use file://\n"


def test_a_value_may_name_its_file(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newer versions 2 than Debian's know ``key@=file://…``."""
    (world / "v").write_text("from a file")
    argv = [*UPDATE, "T", "--status", "FAILED", "--generate-cli-skeleton", "output"]
    code, _, err = said(capsys, *argv, "--status-details", f"a@=file://{world}/v,b@=c")
    assert (code, err) == (0, "")
    code, _, err = said(capsys, *argv, "--status-details", f"a@=file://{world}/nowhere")
    assert code == 252
    assert "Error parsing parameter '--status-details': Unable to load paramfile" in err


def test_an_interrupt_is_130(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.aws_cli.driver.read_globals", interrupt)
    assert main(["help"]) == 130


def on_a_terminal(argv: list[str], **env: str) -> tuple[int, str]:
    """Run with stdout on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv, stdout=theirs, stderr=subprocess.STDOUT, env={**os.environ, **env}
    ) as process:
        os.close(theirs)
        parts = io.BytesIO()
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.write(part)
    os.close(ours)
    return process.returncode, parts.getvalue().decode().replace("\r\n", "\n")


def test_on_a_terminal_output_goes_through_the_pager(world: Path) -> None:
    sample = ["get-pending-job-executions", "--thing-name", "T", "--generate-cli-skeleton"]
    argv = [*OURS, *sample, "output", "--query", "`1`"]
    pager = "sh -c 'printf paged-$LESS-; cat'"
    assert on_a_terminal(argv, AWS_PAGER=pager, LESS="F") == (0, "paged-F-1\n")
    (world / "config").write_text(f"[default]\ncli_pager = {pager}\n")
    del os.environ["AWS_PAGER"]
    assert on_a_terminal(argv) == (0, "paged-FRX-1\n")
    assert on_a_terminal([*argv, "--no-cli-pager"]) == (0, "1\n")
    code, text = on_a_terminal(argv, AWS_PAGER="/nowhere/pager")
    assert code == 253
    assert "Unable to redirect output to pager." in text
    code, text = on_a_terminal([*argv[:-2], "--output", "table"], AWS_PAGER="")
    assert (code, "\x1b[1m\x1b[34mjobId\x1b[0m" in text) == (0, True)


def test_a_reader_who_leaves_early_is_no_error(world: Path) -> None:
    command = [*OURS, "update-job-execution", "help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


# ------------------------------------------------------------------------------- endpoints


def test_without_an_endpoint_requests_go_to_aws_or_where_the_environment_says(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options, _ = read_globals(["--region", "eu-west-1"])
    client = Caller(options)._client()
    assert client.meta.endpoint_url == "https://data.jobs.iot.eu-west-1.amazonaws.com"
    with faults() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        argv = ["get-pending-job-executions", "--thing-name", "404-ResourceNotFoundException"]
        code, _, err = said(capsys, *argv)
    assert code == 254
    assert "An error occurred (ResourceNotFoundException)" in err
