"""The command ``watch``: one line for each job event of a running service."""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.terminal import say
from simulator.terminal import OF_STATUS, painted

if TYPE_CHECKING:
    from simulator.watching import Happening, Watched, Watcher

DETAILS = {
    "numberOfSucceededThings": "succeeded",
    "numberOfFailedThings": "failed",
    "numberOfTimedOutThings": "timed out",
    "numberOfRejectedThings": "rejected",
    "numberOfCanceledThings": "canceled",
    "numberOfRemovedThings": "removed",
}


def watch(
    endpoint: Annotated[
        str, typer.Option(help="mqtt(s):// or ws(s)://HOST[:PORT] of the service.")
    ] = "mqtt://127.0.0.1:1883",
    thing: Annotated[
        str | None,
        typer.Option(help="Only this thing's executions, and what is next for it."),
    ] = None,
    job: Annotated[str | None, typer.Option(help="Only this job.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: topic and payload.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing of the connection and the end.")
    ] = False,
    ca: Annotated[
        Path | None, typer.Option(help="Authorities to trust (default: the system's).")
    ] = None,
    cert: Annotated[Path | None, typer.Option(help="A client certificate.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    username: Annotated[
        str | None, typer.Option(envvar="JOBFLEET_USERNAME", help="At the broker.")
    ] = None,
    password: Annotated[
        str | None, typer.Option(envvar="JOBFLEET_PASSWORD", help="At the broker.")
    ] = None,
    sigv4: Annotated[
        bool, typer.Option("--sigv4", help="Sign with AWS credentials (wss).")
    ] = False,
    region: Annotated[str | None, typer.Option(help="To sign for.")] = None,
) -> None:
    """Follow a running service's job events until interrupted.

    The service tells them once they are enabled: `jobfleet serve --events`, or AWS's
    UpdateEventConfigurations. Executions are told when they end; --thing also tells what is next.
    """
    from simulator.targets import TargetOptions, parse
    from simulator.watching import Watcher

    options = TargetOptions(
        ca=ca, cert=cert, key=key, username=username, password=password, sigv4=sigv4, region=region
    )
    watcher = Watcher(parse(endpoint, options), thing, job)
    asyncio.run(_follow(watcher, as_json, quiet))
    if not quiet:
        say(_counted(watcher.watched), err=True)


async def _follow(watcher: "Watcher", as_json: bool, quiet: bool) -> None:
    """Print what happens, until a signal."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, over.set)

    def told(what: str) -> None:
        if not quiet:
            say(what, err=True)

    async def follow() -> None:
        async for one in watcher.follow(told):
            if as_json:
                line = {"topic": one.topic, "payload": one.payload}
                typer.echo(json.dumps(line, ensure_ascii=False))
            else:
                say(as_line(one))
            sys.stdout.flush()

    following, waiting = loop.create_task(follow()), loop.create_task(over.wait())
    try:
        await asyncio.wait((following, waiting), return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            await following  # it only ends by what it raises
    finally:
        waiting.cancel()
        following.cancel()
        await watcher.close()


def as_line(one: "Happening") -> str:
    """``12:00:03  firmware  gateway-000003  SUCCEEDED``; the time is the service's, UTC."""
    at = "        " if one.at is None else f"{datetime.fromtimestamp(one.at, UTC):%H:%M:%S}"
    status = painted(f"{one.status or '':<11}", OF_STATUS.get(one.status or ""), sys.stdout)
    if one.topic.endswith("/notify-next"):
        if one.job_id is None:
            return f"{at}  {one.thing_name}: nothing is next"
        return f"{at}  {one.thing_name}: next is {one.job_id}, {status.rstrip()}"
    if one.status is None or one.job_id is None:
        return f"{at}  {one.topic}  {json.dumps(one.payload, ensure_ascii=False)}"
    if one.of_job:
        return f"{at}  {one.job_id}  {status}  {_totals(one)}".rstrip()
    details = one.payload.get("statusDetails")
    more = f"  {json.dumps(details, ensure_ascii=False)}" if details else ""
    operation = one.topic.rpartition("/")[2]
    deleted = " deleted" if operation == "deleted" else ""
    return f"{at}  {one.job_id}  {one.thing_name}  {status}{deleted}{more}".rstrip()


def _totals(one: "Happening") -> str:
    details = one.payload.get("jobProcessDetails")
    if not isinstance(details, dict):
        return ""
    found = [(details.get(name), word) for name, word in DETAILS.items()]
    return ", ".join(f"{count:,} {word}" for count, word in found if count)


def _counted(watched: "Watched") -> str:
    """What was seen, in one line."""
    said = [f"{count:,} {status}" for status, count in watched.executions.most_common()]
    line = f"Executions: {', '.join(said) or 'none ended'}"
    if watched.jobs:
        line += "; jobs: " + ", ".join(f"{n:,} {status}" for status, n in watched.jobs.items())
    if watched.reconnections:
        line += f"; connections lost: {watched.reconnections}"
    return line
