"""The fleet owner's side of a live run: the control plane over HTTP, by the standard library.

It runs in a Locust process, where sockets are gevent's, hence neither asyncio nor threads here.
"""

import http.client
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

from simulator.errors import TargetError

TIMEOUT_S: Final = 10.0

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


class Owner:
    """Creates a job and looks at it."""

    def __init__(self, host: str, port: int) -> None:
        self._where = f"{host}:{port}"
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def group_arn(self, group: str, thing: str) -> str:
        """The ARN of a group, by the ARN of a thing that is (or becomes) registered."""
        arn = str(self._call("POST", f"/things/{quote(thing)}", {})["thingArn"])
        return f"{arn.rpartition(':')[0]}:thinggroup/{group}"

    def register(self, group: str, things: list[str]) -> None:
        """Make the things and their group where they are not there yet."""
        self._call("POST", f"/thing-groups/{quote(group)}", {}, allow=(409,))
        for name in things:
            self._call("POST", f"/things/{quote(name)}", {})
            member = {"thingGroupName": group, "thingName": name}
            self._call("PUT", "/thing-groups/addThingToThingGroup", member)

    def create_job(self, job_id: str, request: dict[str, Any]) -> None:
        """CreateJob."""
        self._call("PUT", f"/jobs/{quote(job_id)}", request)

    def describe_job(self, job_id: str) -> tuple[str, dict[str, int]]:
        """A job's status, and its executions by status (those that are not zero)."""
        job = self._call("GET", f"/jobs/{quote(job_id)}")["job"]
        details = job.get("jobProcessDetails", {})
        counts = {status: details.get(name, 0) for name, status in COUNTERS.items()}
        return job["status"], {status: count for status, count in counts.items() if count}

    def executions(self, job_id: str, status: str) -> Iterator[tuple[str, int]]:
        """(thing name, execution number) of every execution in a status."""
        query = {"status": status, "maxResults": "250"}
        while True:
            page = self._call("GET", f"/jobs/{quote(job_id)}/things?{urlencode(query)}")
            for row in page["executionSummaries"]:
                number = row["jobExecutionSummary"]["executionNumber"]
                yield row["thingArn"].rpartition("/")[2], number
            if "nextToken" not in page:
                return
            query["nextToken"] = page["nextToken"]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        allow: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """One request; raise TargetError where it does not succeed."""
        data = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(
                method, path, data, {"content-type": "application/json"} if data else {}
            )
            response = self._connection.getresponse()
            answer = response.read()
            members = json.loads(answer) if answer else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()  # the next request opens a new one
            what = type(error).__name__ if not str(error) else str(error)
            raise TargetError(f"the service at {self._where} cannot be reached: {what}") from None
        if response.status >= 400 and response.status not in allow:
            message = members.get("message", answer[:200])
            raise TargetError(
                f"{method} {path} was refused by {self._where}: {response.status} {message}"
            )
        assert isinstance(members, dict)
        return members
