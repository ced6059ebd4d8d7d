"""Command lines to give to both CLIs.

``{T}`` is a thing of the case's own, with jobs J and K queued (J at version 2 where the case is
``started``); ``{dir}`` a directory with the files of ``FILES``; ``{faults}`` a server that answers
errors as the thing's name says. Where a case names no endpoint the service's is added at its end.
"""

from dataclasses import dataclass, field

UPDATE = ["iot-jobs-data", "update-job-execution", "--thing-name", "{T}", "--job-id", "J"]
STATE = ["--include-job-execution-state"]
DESCRIBE = ["iot-jobs-data", "describe-job-execution", "--thing-name", "{T}"]
PENDING = ["iot-jobs-data", "get-pending-job-executions", "--thing-name", "{T}"]
START = ["iot-jobs-data", "start-next-pending-job-execution", "--thing-name", "{T}"]
PROGRESS = [*UPDATE, "--status", "IN_PROGRESS", *STATE]

FILES = {
    "details.json": b'{"from": "file", "umlaut": "\xc3\xa4"}',
    "details.txt": b"from=file,how=shorthand",
    "latin": b"name=\xe4",
    "value": b"SUCCEEDED",
    "input.json": b'{"status": "IN_PROGRESS", "includeJobExecutionState": true,'
    b' "statusDetails": {"k": "from input"}, "jobId": "K"}',
    "input.yaml": b"status: IN_PROGRESS\nincludeJobExecutionState: yes\nstatusDetails: {k: on}\n",
    "typed.yaml": b"status: IN_PROGRESS\nincludeJobExecutionState: true\nexpectedVersion: 0o1\n"
    b"statusDetails: {k: yes}\n",
    "config": b"[profile dev]\nregion = eu-west-1\noutput = yaml\naws_access_key_id = a\n"
    b"aws_secret_access_key = b\n"
    b"[profile odd]\nregion = eu-west-1\noutput = odd\n"
    b"[profile clock]\nregion = eu-west-1\ncli_timestamp_format = odd\n",
}


@dataclass(frozen=True)
class Case:
    argv: list[str]
    started: bool = False
    env: dict[str, str | None] = field(default_factory=dict)
    out: bool = True
    """Whether stdout is to be equal."""
    err: bool = True
    """Whether stderr is to be equal."""


def update(*more: str, started: bool = False) -> Case:
    return Case([*UPDATE, *more], started)


def details(text: str) -> Case:
    return Case([*PROGRESS, "--status-details", text])


def fault(code: str, *more: str) -> Case:
    where = ["--endpoint-url", "{faults}", "--cli-read-timeout", "1", *more]
    return Case([*PENDING[:-1], code, *where])


def without(*names: str) -> dict[str, str | None]:
    return dict.fromkeys(names)


def tls(*more: str, **env: str) -> Case:
    argv = [*PENDING[:-1], "200-fine", "--endpoint-url", "{tls}", *more]
    return Case(argv, env={"AWS_MAX_ATTEMPTS": "1", **env})


OUTPUTS = ("json", "yaml", "yaml-stream", "text", "table")
QUERIES = (
    "queuedJobs[].jobId",
    "queuedJobs[0]",
    "queuedJobs[].[jobId,versionNumber]",
    "queuedJobs[].[jobId,[versionNumber]]",
    "{a:queuedJobs[].jobId,b:queuedJobs[0].jobId}",
    "length(queuedJobs)",
    "queuedJobs[0].jobId",
    "nothing",
    "queuedJobs[].{id:jobId,more:{version:versionNumber}}",
    "`true`",
    "`1.5`",
    '`"yes"`',
    "[queuedJobs[].jobId,queuedJobs[0].executionNumber]",
    "queuedJobs[].versionNumber | [0]",
    "`[]`",
)

CASES: dict[str, Case] = {
    # ------------------------------------------------------------------- good calls
    "update": update("--status", "IN_PROGRESS"),
    "update state": update("--status", "SUCCEEDED", *STATE),
    "update no state": update("--status", "SUCCEEDED", "--no-include-job-execution-state"),
    "update both flags": update(
        "--status", "FAILED", *STATE, "--no-include-job-execution-state", started=True
    ),
    "update flags again": update("--status", "FAILED", "--no-include-job-document", *STATE),
    "update document": update("--status", "IN_PROGRESS", "--include-job-document"),
    "update everything": update(
        "--status", "IN_PROGRESS", *STATE, "--include-job-document", "--expected-version", "2",
        "--execution-number", "1", "--step-timeout-in-minutes", "10", "--status-details", "a=b",
        started=True,
    ),
    "update step timer off": update("--status", "IN_PROGRESS", "--step-timeout-in-minutes", "-1"),
    "update with equals": update("--status=REJECTED", "--include-job-execution-state"),
    "update shortened": update("--stat", "IN_PROGRESS", "--include-job-exec"),
    "update shortened twice": update("--status", "IN_PROGRESS", "--expected=1"),
    "update globals first": Case(["--region", "eu-west-1", "--output", "text", *PROGRESS]),
    "update globals between": Case(
        ["iot-jobs-data", "--output", "yaml", *PROGRESS[1:], "--region=eu-west-1"]
    ),
    "update unsigned": Case(
        [*PROGRESS, "--no-sign-request"],
        env=without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ),
    "timeouts": Case([*PROGRESS, "--cli-connect-timeout", "5", "--cli-read-timeout", "0"]),
    "accepted and idle": Case(
        [*PROGRESS, "--no-paginate", "--no-cli-pager", "--no-cli-auto-prompt", "--no-verify-ssl",
         "--cli-binary-format", "raw-in-base64-out", "--color", "off"]
    ),
    "profile": Case([*PROGRESS, "--profile", "dev"], env=without("AWS_ACCESS_KEY_ID")),
    "profile by name": Case(PROGRESS, env={"AWS_PROFILE": "dev", "AWS_ACCESS_KEY_ID": None}),
    "output by name": Case(PROGRESS, env={"AWS_DEFAULT_OUTPUT": "text"}),
    "region by name": Case(PROGRESS, env={"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": None}),
    "describe": Case([*DESCRIBE, "--job-id", "J"]),
    "describe next": Case([*DESCRIBE, "--job-id", "$next"], started=True),
    "describe without document": Case([*DESCRIBE, "--job-id", "K", "--no-include-job-document"]),
    "describe with document": Case([*DESCRIBE, "--job-id", "K", "--include-job-document"]),
    "describe number": Case([*DESCRIBE, "--job-id", "J", "--execution-number", "1"]),
    "pending": Case(PENDING),
    "start": Case(START),
    "start details": Case(
        [*START, "--status-details", "a=b,c=d", "--step-timeout-in-minutes", "7",
         "--query", "execution.[jobId,status,statusDetails]"]
    ),
    "nothing pending": Case([*PENDING[:-1], "nobody"]),
    "nothing to start": Case([*START[:-1], "nobody"]),
    **{f"pending {name}": Case([*PENDING, "--output", name], started=True) for name in OUTPUTS},
    **{
        f"describe {name}": Case([*DESCRIBE, "--job-id", "J", "--output", name], started=True)
        for name in OUTPUTS
    },
    **{
        f"update {name}": Case([*PROGRESS, "--status-details", "b=1,a=x y", "--output", name])
        for name in OUTPUTS
    },
    **{f"empty {name}": update("--status", "FAILED", "--output", name) for name in OUTPUTS},
    **{
        f"query {number} {name}": Case([*PENDING, "--query", query, "--output", name])
        for number, query in enumerate(QUERIES)
        for name in ("json", "text", "table", *(("yaml",) if number % 4 == 1 else ()))
    },
    "query wide": Case(
        [*PROGRESS, "--status-details", "k=ä漢字 ß", "--include-job-document", "--output", "table"]
    ),
    "yaml strings": Case(
        [*PROGRESS, "--output", "yaml", "--status-details",
         "a=yes,b=on,c=0o7,d=010,e=1:30,f=~,g=1e3,h='# x',i='a: b',j=" + "long " * 30]
    ),
    "text quotes": Case([*PROGRESS, "--output", "text", "--status-details", 'a="x,y",b=z']),
    "color": Case([*PENDING, "--output", "table", "--color", "on"], started=True),
    # ------------------------------------------------------------------- statusDetails
    **{
        f"details {text}": details(text)
        for text in (
            "a=b", "a=b,c=d", "a=b, c = d", "a='x, y'", 'a="x, y",b=\'"\'', "a='it\\'s'",
            "a=x\\,y", "a=b=c", "a=", "a=,b=c", "a=b,c", "a=[b,c]", "a={b=c}", "a", "", " ", "=b",
            "a=b,a=c", "a=b,", "a='open", "a=b\nc=d", "a=b,\nc==d", "a\tb=c", "[1]", "[", "{",
            '{"a": "b"}', ' {"a": "b"}', '{"a": 1}', '{"a": {"b": 1}}', "{}", '{"a": null}', "ä=b",
            "a=ä", "a=\u0007", "a=x`y", "k e=v", "file://{dir}/details.json",
            "file://{dir}/details.txt", "file://{dir}/nowhere", "file://{dir}/latin",
            "file://{dir}", "fileb://{dir}/nowhere", "file:///", "file://$DIR/details.json",
            "https://example.org/x", 'a="\\\\"',
        )
    },
    "details too many": details(",".join(f"k{n}=v" for n in range(11))),
    "value from a file": update("--status", "file://{dir}/value", *STATE),
    "status from bytes": update("--status", "fileb://{dir}/value"),
    # ------------------------------------------------------------------- whole inputs
    "input json": update(
        "--cli-input-json", '{"status": "FAILED", "includeJobExecutionState": true}'
    ),
    "input overridden": update(
        "--status", "REJECTED", "--cli-input-json", "file://{dir}/input.json"
    ),
    "input alone": Case(
        [*UPDATE[:4], "--cli-input-json", "file://{dir}/input.json"]
    ),
    "input overridden by a flag": update(
        "--cli-input-json", "file://{dir}/input.json", "--no-include-job-execution-state"
    ),
    "input in bytes": update("--cli-input-json", "fileb://{dir}/input.json"),
    "input literally": update(
        "--cli-input-json",
        '{"status": "FAILED", "statusDetails": {"a": "file://x"}}',
        *STATE,
    ),
    "input yaml": update("--cli-input-yaml", "file://{dir}/input.yaml"),
    "input yaml typed": update("--cli-input-yaml", "file://{dir}/typed.yaml"),
    "input yaml in bytes": update("--cli-input-yaml", "fileb://{dir}/typed.yaml"),
    "input yaml inline": update("--cli-input-yaml", "{status: FAILED}", *STATE),
    "input yaml number key": update("--cli-input-yaml", "{1: 2}"),
    "both inputs": update("--cli-input-json", "{}", "--cli-input-yaml", "{}"),
    "input no json": update("--cli-input-json", "{"),
    "input list": update("--cli-input-json", "[]"),
    "input null": update("--cli-input-json", "null"),
    "input empty": update("--cli-input-json", ""),
    "input no yaml": update("--cli-input-yaml", "["),
    "input yaml text": update("--cli-input-yaml", "a"),
    "input yaml empty": update("--cli-input-yaml", ""),
    "input not there": update("--cli-input-json", "file://{dir}/nowhere"),
    "input lacks a member": update("--cli-input-json", "{}"),
    "input unknown member": update("--cli-input-json", '{"status": "FAILED", "colour": 1}'),
    "input wrong type": update("--cli-input-json", '{"status": 1, "expectedVersion": "x"}'),
    "input by equals": update("--cli-input-json={}"),
    "input shortened": update("--cli-input-j", "{}"),
    # ------------------------------------------------------------------- skeletons
    **{
        f"skeleton {command} {value}": Case(
            ["iot-jobs-data", command, "--generate-cli-skeleton", *([value] if value else [])]
        )
        for command in (
            "update-job-execution", "describe-job-execution", "get-pending-job-executions",
            "start-next-pending-job-execution",
        )
        for value in ("", "input", "yaml-input", "output")
    },
    "skeleton output of pending": Case([*PENDING, "--generate-cli-skeleton", "output"]),
    "skeleton output in yaml": Case(
        [*PENDING, "--generate-cli-skeleton", "output", "--output", "yaml"]
    ),
    "skeleton output queried": Case(
        [*PENDING, "--generate-cli-skeleton", "output", "--query", "queuedJobs[0].jobId"]
    ),
    "skeleton output wrong": Case(
        [*PENDING[:-1], "", "--generate-cli-skeleton", "output"]
    ),
    "skeleton output no region": Case(
        [*PENDING, "--generate-cli-skeleton", "output"], env=without("AWS_DEFAULT_REGION")
    ),
    "skeleton output no credentials": Case(
        [*PENDING, "--generate-cli-skeleton", "output"], env=without("AWS_ACCESS_KEY_ID")
    ),
    "skeleton of another kind": update("--status", "X", "--generate-cli-skeleton", "table"),
    "skeleton by equals": Case([*UPDATE, "--generate-cli-skeleton=input"]),
    "skeleton no profile": Case(
        ["iot-jobs-data", "get-pending-job-executions", "--generate-cli-skeleton", "--profile", "x"]
    ),
    "skeleton both inputs": update(
        "--generate-cli-skeleton", "--cli-input-json", "{}", "--cli-input-yaml", "{}"
    ),
    # ------------------------------------------------------------------- the command line is wrong
    "nothing": Case(["iot-jobs-data"]),
    "no operation": Case(["iot-jobs-data", "--output", "json"]),
    "unknown operation": Case(["iot-jobs-data", "upate-job-execution"]),
    "farther operation": Case(["iot-jobs-data", "delete-everything"]),
    "options before the operation": Case(["iot-jobs-data", "--job-id", "J", *UPDATE[1:]]),
    "missing all": Case(["iot-jobs-data", "update-job-execution"]),
    "missing status": Case(UPDATE),
    "missing thing": Case(["iot-jobs-data", "get-pending-job-executions"]),
    "missing value": update("--status"),
    "missing global value": Case([*PENDING, "--output"]),
    "bad int": update("--status", "IN_PROGRESS", "--expected-version", "x"),
    "bad int float": update("--status", "IN_PROGRESS", "--step-timeout-in-minutes", "1.5"),
    "int with underscore": update("--status", "IN_PROGRESS", *STATE, "--expected-version", "0_1"),
    "unknown option": update("--status", "IN_PROGRESS", "--colour", "red"),
    "unknown options": update("--status", "IN_PROGRESS", "--a", "1", "--b=2", "three", "four"),
    "stray word": update("--status", "IN_PROGRESS", "word"),
    "stray help": update("--status", "IN_PROGRESS", "word", "help"),
    "two stray words": update("--status", "IN_PROGRESS", "one", "two"),
    "dashes": update("--status", "IN_PROGRESS", "--", "--x"),
    "ambiguous": update("--status", "IN_PROGRESS", "--include", "x"),
    "ambiguous global": Case([*PENDING, "--c", "on"]),
    "ambiguous status": update("--sta", "IN_PROGRESS"),
    "bad output": Case([*PENDING, "--output", "jsno"]),
    "bad color": Case([*PENDING, "--color", "red"]),
    "bad binary format": Case([*PENDING, "--cli-binary-format", "hex"]),
    "bad query": Case([*PENDING, "--query", "a["]),
    "empty query": Case([*PENDING, "--query", ""]),
    "wrong query type": Case([*PENDING, "--query", "length(`1`)"]),
    "bad endpoint": Case([*PENDING, "--endpoint-url", "localhost"]),
    "endpoint with port only": Case([*PENDING, "--endpoint-url", "localhost:1"]),
    "bad timeout": Case([*PENDING, "--cli-read-timeout", "soon"]),
    "bad connect timeout": Case([*PENDING, "--cli-connect-timeout", "1.5"]),
    "flag with a value": update("--status", "IN_PROGRESS", "--include-job-document=1"),
    "empty thing": Case([*PENDING[:-1], ""]),
    "empty job": Case([*DESCRIBE, "--job-id", ""]),
    "option again": update("--status", "X", "--status", "IN_PROGRESS", *STATE),
    # ------------------------------------------------------------------- the configuration is wrong
    "no region": Case(PENDING, env=without("AWS_DEFAULT_REGION")),
    "no credentials": Case(PENDING, env=without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    "half credentials": Case(PENDING, env=without("AWS_SECRET_ACCESS_KEY")),
    "no profile": Case([*PENDING, "--profile", "x"]),
    "no profile by name": Case(PENDING, env={"AWS_PROFILE": "x"}),
    "odd output in profile": Case([*PENDING, "--profile", "odd"]),
    "odd clock in profile": Case([*PENDING, "--profile", "clock"]),
    "odd output by name": Case(PENDING, env={"AWS_DEFAULT_OUTPUT": "odd"}),
    "bad region": Case([*PENDING, "--region", "no where"]),
    # ------------------------------------------------------------------- the service says no
    "SUCCESS": update("--status", "SUCCESS"),
    **{
        f"device sets {status}": update("--status", status, started=True)
        for status in ("REMOVED", "QUEUED", "TIMED_OUT", "CANCELED")
    },
    "unknown status": update("--status", "DONE"),
    "wrong version": update("--status", "IN_PROGRESS", "--expected-version", "99"),
    "wrong number": update("--status", "IN_PROGRESS", "--execution-number", "2"),
    "wrong step": update("--status", "IN_PROGRESS", "--step-timeout-in-minutes", "0"),
    "huge version": update("--status", "IN_PROGRESS", "--expected-version", str(2**63)),
    "no such job": Case([*DESCRIBE, "--job-id", "nowhere"]),
    "bad job name": Case([*DESCRIBE, "--job-id", "a b"]),
    "bad thing name": Case([*PENDING[:-1], "a b"]),
    "slash in thing name": Case([*PENDING[:-1], "a/b"]),
    "colon in thing name": Case([*PENDING[:-1], "a:b"]),
    "update next": Case([*UPDATE[:-1], "$next", "--status", "FAILED"]),
    "error with query": update("--status", "REMOVED", "--query", "x", "--output", "text"),
    "fault 500": fault("500-InternalFailureException"),
    "fault 503": fault("503-ServiceUnavailableException"),
    "fault 429": fault("429-ThrottlingException"),
    "fault 400": fault("400-CertificateValidationException"),
    "fault 403": fault("403-AccessDeniedException"),
    "fault 404": fault("404-ResourceNotFoundException"),
    "fault once": fault("once-{T}"),
    "fault twice by attempts": Case(
        fault("503-ServiceUnavailableException").argv, env={"AWS_MAX_ATTEMPTS": "2"}
    ),
    "fault legacy": Case(
        fault("503-ServiceUnavailableException").argv,
        env={"AWS_RETRY_MODE": "legacy", "AWS_MAX_ATTEMPTS": "2"},
    ),
    "odd retries": Case(PENDING, env={"AWS_RETRY_MODE": "odd"}),
    "retries in adaptive mode": Case(PENDING, env={"AWS_RETRY_MODE": "adaptive"}),
    "fault no json": fault("200-html"),
    "fault nameless": fault("418-"),
    "fault slow": Case(fault("slow").argv, env={"AWS_MAX_ATTEMPTS": "1"}),
    "fault closed": Case(fault("closed").argv, env={"AWS_MAX_ATTEMPTS": "1"}),
    "tls unverified": tls("--no-verify-ssl"),
    "tls verified": tls("--ca-bundle", "{dir}/cert.pem"),
    "tls no certificates": tls("--ca-bundle", "{dir}/nowhere"),
    "tls refused": tls(),
    "tls verified by name": tls(AWS_CA_BUNDLE="{dir}/cert.pem"),
    "nobody listens": Case(
        [*PENDING, "--endpoint-url", "http://127.0.0.1:1"], env={"AWS_MAX_ATTEMPTS": "1"}
    ),
}  # fmt: skip
