"""Makes a test of each case and door, and with ``--aws`` runs them at AWS (docs/real-aws.md).

    pytest tests/conformance --aws --aws-account-id 123456789012

Rule 1: without ``--aws`` nothing here looks beyond the loopback.
Rule 2: with it nothing is made before STS has said that the account is the one that was named.
Rule 3: a case that cannot run there is deselected, and the reason is printed.
"""

from collections import Counter
from types import CodeType, FunctionType
from typing import Any

import pytest

from simulator.jobs.execution import AWS
from tests.conformance.account import Account, check_identity
from tests.conformance.doors import FARTHER, OWNERS, Case

OPTIONS = {
    "--aws-account-id": "the account to run in, twelve digits; STS must say the same",
    "--aws-region": "its region (default: what boto3 finds)",
    "--aws-prefix": "what the names of everything made begin with (default: jobfleet)",
    "--aws-iot-endpoint-url": "the control plane, where it is not AWS's own",
    "--aws-jobs-endpoint-url": "the data plane, where it is not AWS's own",
    "--aws-sts-endpoint-url": "STS, where it is not AWS's own",
    "--aws-mqtt-endpoint": "HOST:PORT of MQTT over WebSocket (default: what DescribeEndpoint says)",
    "--aws-mqtt-ca-file": "the authority of that host, where no public one vouches for it",
}

TIME = {"advance_to", "elapsed", "expire"}
INSIDE = {"host", "service"}

LEFT_OUT = pytest.StashKey[Counter[str]]()
ACCOUNT = pytest.StashKey[Account]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("aws", "conformance cases at AWS (docs/real-aws.md)")
    group.addoption("--aws", action="store_true", help="run the conformance cases at AWS")
    for name, text in OPTIONS.items():
        group.addoption(name, metavar="VALUE", help=text)


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--aws", default=False):
        return
    given = {name: config.getoption(name) for name in OPTIONS}
    try:
        account = Account.named(**{_member(name): value for name, value in given.items()})
        check_identity(account)
    except ValueError as error:
        raise pytest.UsageError(f"--aws: {error}") from None
    config.stash[ACCOUNT] = account
    FARTHER.update(account.doors())


def _member(option: str) -> str:
    return option.removeprefix("--aws-").replace("-", "_")


# ------------------------------------------------------------------------------- which cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    case = getattr(metafunc.function, "case", None)
    if case is None:
        return
    far = [] if not FARTHER or why_not(case) else far_doors(case)
    metafunc.parametrize("door", far or case.doors)


def far_doors(case: Case) -> list[str]:
    """The doors at AWS that stand for a case's own."""
    wanted = ["aws-http"] if "http" in case.doors else []
    if case.doors != OWNERS and "mqtt" in case.doors:
        wanted.append("aws-mqtt")
    if "raw" in case.doors:
        wanted.append("aws-raw")
    return [door for door in wanted if door in FARTHER]


def why_not(case: Case) -> str | None:
    """Why a case cannot run at AWS, or None where it can."""
    used = names_used(case.body, set())
    if case.dialect is not AWS:
        return f"the dialect {case.dialect.name} is our own"
    if case.quotas is not None:
        return "it uses up the quotas of the account"
    if case.alone is not None:
        return case.alone
    if used & TIME:
        return "it moves time by hand"
    if used & INSIDE:
        return "it looks inside the service"
    if "update_event_configurations" in used:
        return "it changes the settings of the whole account"
    return None


def names_used(function: Any, seen: set[str]) -> set[str]:
    """Every attribute that a body and the functions of its neighbours speak of."""
    found: set[str] = set()
    codes: list[CodeType] = [function.__code__]
    while codes:
        code = codes.pop()
        found |= set(code.co_names)
        found |= {text for text in code.co_consts if isinstance(text, str)}
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    for name in found - seen:
        other = function.__globals__.get(name)
        if isinstance(other, FunctionType) and other.__module__.startswith(
            "tests.conformance.test"
        ):
            seen.add(name)
            found |= names_used(other, seen)
    return found


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not FARTHER:
        return
    reasons: Counter[str] = Counter()
    chosen, left = [], []
    for item in items:
        case = getattr(getattr(item, "function", None), "case", None)
        if item.name.partition("[")[2].startswith("aws-"):
            chosen.append(item)
        else:
            left.append(item)
            reasons[_reason(case)] += 1
    items[:] = chosen
    config.hook.pytest_deselected(items=left)
    config.stash[LEFT_OUT] = reasons


def _reason(case: Case | None) -> str:
    if case is None:
        return "it is no case body"
    return why_not(case) or "there is no such door at AWS, or it was not named"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if LEFT_OUT not in config.stash:
        return
    account = config.stash[ACCOUNT]
    terminalreporter.section(f"conformance at account {account.account_id}, {account.region}")
    for reason, count in sorted(config.stash[LEFT_OUT].items()):
        terminalreporter.write_line(f"{count} left out: {reason}")
    for door in FARTHER:
        terminalreporter.write_line(f"door {door}")
    terminalreporter.write_line(f"made and removed: {account.made_and_removed()}")
