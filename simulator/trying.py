"""``jobfleet try-agent``: somebody's agent as processes, a scenario around it, a verdict on each.

Rule 1: the service is in this process, so that it can watch; an agent is a process of its own,
        started by its arguments and never by a shell.
Rule 2: whatever happens, no process is left: each gets SIGTERM, and SIGKILL with all it started
        where it does not end within ``GOODBYE_S``.
"""

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from simulator import certificates
from simulator.behaviour import JobPlan
from simulator.endpoints.tls import Identification
from simulator.errors import UsageError
from simulator.host import Exchange, Host
from simulator.jobs.model import JOB_STATUSES
from simulator.playbook import Playbook
from simulator.run import Resolved
from simulator.run_directory import SCENARIO, Folder
from simulator.scenario import dump
from simulator.serve import Addresses, ServeOptions, TlsOptions, opened
from simulator.today import utc_now
from simulator.trial import CopyVerdict, Witness

MOST_COPIES: Final = 20
"""So many are started where nobody says how many."""

LOOK_S: Final = 0.05
QUIET_S: Final = 1.0
"""After the jobs' end, the agents are watched until none has asked anything for so long."""

WATCH_S: Final = 5.0
"""And no longer than this."""

GOODBYE_S: Final = 5.0
GOING_ON: Final = JOB_STATUSES[:2]
PLACEHOLDERS: Final = ("endpoint", "port", "http", "thing", "copy", "ca", "cert", "key")
OF_TLS: Final = ("ca", "cert", "key")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")

COMPLETED: Final = "the jobs ended"
TIMED_OUT: Final = "time was up"
EXITED: Final = "every copy ended"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What ``jobfleet try-agent`` was asked for."""

    resolved: Resolved
    """Its fleet has the things that copies are started as."""
    command: tuple[str, ...]
    time_scale: float
    timeout: float
    """Wall seconds."""
    per_thing: int = 1
    """Copies that share a thing."""
    tls: bool = False
    out: Path | None = None


class Trial(msgspec.Struct, frozen=True):
    """What came of it."""

    scenario: str
    seed: int
    passed: bool
    ended: str
    incidents: dict[str, int]
    copies: list[CopyVerdict]
    directory: str = ""


@dataclass(slots=True)
class _Copy:
    """One process."""

    witness: Witness
    process: asyncio.subprocess.Process
    output: Path
    exit_code: int | None = None
    """Where it ended by itself."""


def check_command(command: tuple[str, ...], tls: bool) -> None:
    """Find what is wrong with an agent's arguments before anything starts.

    Raises:
        UsageError: a placeholder that there is not.
    """
    for name in _PLACEHOLDER.findall(" ".join(command)):
        if name not in PLACEHOLDERS:
            allowed = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise UsageError(f"{{{name}}} is no placeholder; there are {allowed}")
        if name in OF_TLS and not tls:
            raise UsageError(f"{{{name}}} needs --tls, which makes certificates")


def run_trial(options: TrialOptions) -> Trial:
    """Start the service and the agents, wait, judge, and write the verdict into the folder.

    Raises:
        UsageError: the agent cannot be started, or the folder cannot be made.
    """
    check_command(options.command, options.tls)
    folder = Folder(options.out, f"try-{options.resolved.name}")
    folder.write(SCENARIO, lambda file: file.write(dump(options.resolved.scenario).encode()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        trial = runner.run(_try(options, folder))
    text = msgspec.json.format(msgspec.json.encode(trial), indent=2)
    folder.write("verdict.json", lambda file: file.write(text + b"\n"))
    return trial


async def _try(options: TrialOptions, folder: Folder) -> Trial:
    interrupted = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, interrupted.set)
    scenario = options.resolved.scenario
    things = options.resolved.work().names()
    tls = _certificates(folder.path / "certs", things) if options.tls else None
    served = ServeOptions(
        mqtt_port=0,
        http_port=0,
        time_scale=options.time_scale,
        epoch=scenario.epoch_s,
        quotas="aws" if scenario.quotas == "aws" else None,
        tls=tls,
        plain=tls is None,
    )
    async with opened(served) as (addresses, host):
        playbook = Playbook(options.resolved, host)
        court = _Court(host, things, options.per_thing)
        playbook.director.watchers.append(court.saw)
        playbook.start()
        copies: list[_Copy] = []
        try:
            for thing in things:
                for nth in range(1, options.per_thing + 1):
                    witness = court.witnesses[thing]
                    copies.append(await _start(options, folder.path, addresses, witness, nth))
            ended = await _watch(options, playbook, host, court, copies, interrupted)
        finally:
            playbook.stop()
            await _end(copies)
    verdicts = [
        witness.verdict([copy.exit_code for copy in its], [str(copy.output) for copy in its])
        for witness in court.witnesses.values()
        if (its := [copy for copy in copies if copy.witness is witness])
    ]
    return Trial(
        options.resolved.name,
        options.resolved.seed,
        all(verdict.passed for verdict in verdicts),
        ended,
        playbook.director.counts,
        verdicts,
        str(folder.path),
    )


class _Court:
    """The witnesses, one per thing."""

    def __init__(self, host: Host, things: list[str], per_thing: int) -> None:
        self.witnesses = {thing: Witness(host.service, thing, per_thing) for thing in things}
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()

    def saw(self, exchange: Exchange) -> None:
        """A request came in, from one of the things or from somebody else."""
        self.heard = self._loop.time()
        witness = self.witnesses.get(exchange.thing_name)
        if witness is not None:
            witness.saw(exchange)

    @property
    def quiet(self) -> float:
        """Seconds since the last request."""
        return self._loop.time() - self.heard


def _certificates(directory: Path, things: list[str]) -> TlsOptions:
    certificates.make(directory, things, [], 365, utc_now())
    authority = certificates.authority_of(directory).certificate
    server = certificates.server_of(directory)
    return TlsOptions(Identification(server.certificate, server.key, authority), 0, 0)


async def _start(
    options: TrialOptions, folder: Path, addresses: Addresses, witness: Witness, number: int
) -> _Copy:
    """One copy of the agent, the ``number``-th of its thing.

    Raises:
        UsageError: there is no such program, or it cannot be run.
    """
    values = {
        "endpoint": addresses.tls_host or addresses.host,
        "port": str(addresses.mqtts or addresses.mqtt),
        "http": str(addresses.https or addresses.http),
        "thing": witness.thing,
        "copy": str(number),
    }
    if options.tls:
        device = certificates.device_of(folder / "certs", witness.thing)
        authority = certificates.authority_of(folder / "certs").certificate
        values |= {"ca": str(authority), "cert": str(device.certificate), "key": str(device.key)}
    arguments = [filled(argument, values) for argument in options.command]
    path = folder / (f"{witness.thing}.log" if number == 1 else f"{witness.thing}-{number}.log")
    try:
        with path.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for us, who then end it
            )
    except OSError as error:
        raise UsageError(f"cannot start {arguments[0]}: {error.strerror}") from None
    return _Copy(witness, process, path)


def filled(argument: str, values: Mapping[str, str]) -> str:
    """An argument with its placeholders filled in; other braces are left alone."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), argument)


async def _watch(
    options: TrialOptions,
    playbook: Playbook,
    host: Host,
    court: _Court,
    copies: list[_Copy],
    interrupted: asyncio.Event,
) -> str:
    """Wait for the end; return what it was."""
    loop = asyncio.get_running_loop()
    happened = loop.create_task(playbook.happened(), name="timeline")
    deadline, over = loop.time() + options.timeout, None
    try:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(interrupted.wait(), LOOK_S)
            if interrupted.is_set():
                return INTERRUPTED
            for copy in copies:
                copy.exit_code = copy.process.returncode
            done = all(_over(host, plan, happened.done()) for plan in playbook.plans)
            if done and over is None:
                over = loop.time()
            if all(copy.exit_code is not None for copy in copies):
                return COMPLETED if done else EXITED
            if over is not None and (court.quiet > QUIET_S or loop.time() > over + WATCH_S):
                return COMPLETED
            if loop.time() > deadline:
                return COMPLETED if over is not None else TIMED_OUT
    finally:
        happened.cancel()


def _over(host: Host, plan: JobPlan, happened: bool) -> bool:
    """Whether a job has nothing more to give.

    One that follows a group never ends by itself: it is over when all incidents have happened
    and nothing of it waits.
    """
    job = host.service.jobs.get(plan.job_id)
    if job is None:
        return host.now() > plan.at  # deleted
    if job.status not in GOING_ON:
        return not job.pending
    waits = job.pending or job.backlog or not job.rolled_out
    following = job.target_selection == "CONTINUOUS" and job.status == "IN_PROGRESS"
    return following and happened and not waits


async def _end(copies: list[_Copy]) -> None:
    """End every process that has not ended, politely first."""
    running = [copy.process for copy in copies if copy.process.returncode is None]
    for process in running:
        with suppress(ProcessLookupError):
            process.terminate()
    if not running:
        return
    goodbyes = [asyncio.ensure_future(process.wait()) for process in running]
    await asyncio.wait(goodbyes, timeout=GOODBYE_S)
    for process, goodbye in zip(running, goodbyes, strict=True):
        if not goodbye.done():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await goodbye
