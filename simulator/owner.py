"""The fleet owner's side of a live run: the control plane over HTTP, by the standard library.

It runs in a Locust process, where sockets are gevent's, hence neither asyncio nor threads here.
"""

import http.client
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from simulator.errors import TargetError, UsageError
from simulator.jobs.ledger import ABORTED
from simulator.refusals import in_words
from simulator.targets import Target

TIMEOUT_S: Final = 10.0
_INCIDENT: Final = re.compile(r'^jobfleet_incidents_total\{name=("(?:[^"\\]|\\.)*")\} (\S+)$', re.M)
THROTTLED_S: Final = 0.5
TRIES: Final = 20
"""A control plane with AWS's quotas takes ten requests a second: so often, and so long apart, a
throttled one is sent again."""

DELETED: Final = "DELETED"
"""The status, as we tell it, of a job that is not there any more."""

COUNTERS: Final = {
    "numberOfQueuedThings": "QUEUED",
    "numberOfInProgressThings": "IN_PROGRESS",
    "numberOfSucceededThings": "SUCCEEDED",
    "numberOfFailedThings": "FAILED",
    "numberOfTimedOutThings": "TIMED_OUT",
    "numberOfRejectedThings": "REJECTED",
    "numberOfRemovedThings": "REMOVED",
    "numberOfCanceledThings": "CANCELED",
}


class Listed(NamedTuple):
    """One execution as the control plane lists it; times in scenario seconds of its job."""

    thing_name: str
    number: int
    status: str
    queued: float
    started: float | None
    ended: float
    """When it last changed."""
    retry: int
    """Its retryAttempt; -1 where the service does not say."""


class Owner:
    """Creates a job and looks at it."""

    def __init__(self, control: Target) -> None:
        self._control = control
        self._where = f"{control.host}:{control.port}"
        self.created_at = 0.0
        self.aborted = False
        """Whether the job that was described last had aborted itself."""
        tls = replace(control, certificates=None).tls("")
        self._connection = (
            http.client.HTTPConnection(*control.address, timeout=TIMEOUT_S)
            if tls is None
            else http.client.HTTPSConnection(*control.address, timeout=TIMEOUT_S, context=tls)
        )

    def group_arn(self, group: str, thing: str) -> str:
        """The ARN of a group, by the ARN of a thing that is (or becomes) registered."""
        arn = self._call("POST", f"/things/{quote(thing)}", {}).get("thingArn")
        if not isinstance(arn, str):
            raise self._odd("CreateThing")
        return f"{arn.rpartition(':')[0]}:thinggroup/{group}"

    def register(self, group: str, things: list[str], *, ours: bool = False) -> None:
        """Make the group, and the things where they are not there yet.

        ``ours``: the service is of this run; a group that it has, it has made for it.

        Raises:
            UsageError: the group exists: it has the things of an earlier run.
        """
        if self._call("POST", f"/thing-groups/{quote(group)}", {}, allow=(409,)) is None:
            if ours:
                return
            raise UsageError(
                f"{self._where} has a thing group {group} already, so a run of this job was there "
                "before; give the scenario another job.jobId"
            )
        for name in things:
            self._call("POST", f"/things/{quote(name)}", {})
            member = {"thingGroupName": group, "thingName": name}
            self._call("PUT", "/thing-groups/addThingToThingGroup", member)

    def create_job(self, job_id: str, request: dict[str, Any]) -> None:
        """CreateJob.

        Raises:
            UsageError: the target has a job of that id.
        """
        if self._call("PUT", f"/jobs/{quote(job_id)}", request, allow=(409,)) is None:
            raise UsageError(
                f"{self._where} has a job {job_id} already; give the scenario another job.jobId"
            )

    def describe_job(self, job_id: str) -> tuple[str, dict[str, int]]:
        """A job's status, and its executions by status (those that are not zero)."""
        try:
            answer = self._call("GET", f"/jobs/{quote(job_id)}", allow=(404,))
            if answer is None:
                return DELETED, {}
            job = answer["job"]
            details = job.get("jobProcessDetails", {})
            counts = {status: int(details.get(name, 0)) for name, status in COUNTERS.items()}
            self.created_at = float(job["createdAt"])
            self.aborted = job.get("reasonCode") == ABORTED
            return str(job["status"]), {status: n for status, n in counts.items() if n}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._odd("DescribeJob") from None

    def executions(self, job_id: str) -> Iterator[Listed]:
        """Every execution of a job.

        Times are scenario seconds since the job was created, which ``describe_job`` asks.
        """
        query = {"maxResults": "250"}
        while True:
            page = self._call("GET", f"/jobs/{quote(job_id)}/things?{urlencode(query)}")
            for row in page["executionSummaries"]:
                execution = row["jobExecutionSummary"]
                queued, started, ended = (
                    None if (at := execution.get(name)) is None else at - self.created_at
                    for name in ("queuedAt", "startedAt", "lastUpdatedAt")
                )
                assert queued is not None  # every execution was
                assert ended is not None
                yield Listed(
                    row["thingArn"].rpartition("/")[2],
                    execution["executionNumber"],
                    execution["status"],
                    queued,
                    started,
                    ended,
                    execution.get("retryAttempt", -1),
                )
            if "nextToken" not in page:
                return
            query["nextToken"] = page["nextToken"]

    def incidents(self) -> dict[str, int]:
        """How often each incident did something, as a service of ours says in its metrics."""
        try:
            self._connection.request("GET", "/metrics")
            text = self._connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException, UnicodeDecodeError):
            self._connection.close()
            return {}
        found = _INCIDENT.findall(text)
        return {json.loads(name): int(float(count)) for name, count in found}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        allow: tuple[int, ...] = (),
        tries: int = TRIES,
    ) -> Any:
        """One request; None where its status is among ``allow``.

        Raises:
            TargetError: it does not succeed.
        """
        data = None if body is None else json.dumps(body).encode()
        try:
            headers = {"content-type": "application/json"} if data else {}
            control = self._control
            if control.signer is not None:
                url = f"{control.scheme}://{control.netloc}{path}"
                headers |= control.signer.headers(method, url, data or b"", "iot")
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            answer = response.read()
            members = json.loads(answer) if answer else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()  # the next request opens a new one
            what = in_words(error)
            raise TargetError(f"the service at {self._where} cannot be reached: {what}") from None
        if response.status in allow:
            return None
        if tries > 1 and response.status in (400, 429) and b"Rate exceeded" in answer:
            time.sleep(THROTTLED_S)
            return self._call(method, path, body, allow, tries - 1)
        if not isinstance(members, dict):
            raise self._odd(f"{method} {path}")
        if response.status >= 400:
            message = members.get("message", answer[:200])
            raise TargetError(
                f"{method} {path} was refused by {self._where}: {response.status} {message}"
            )
        return members

    def _odd(self, what: str) -> TargetError:
        return TargetError(f"what {self._where} answers to {what} is no answer of AWS IoT's")
