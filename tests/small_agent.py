"""Agents for ``try-agent`` to judge, over HTTP by the standard library: a good one and bad ones.

The last argument's number picks the manner: thing ``x-000003`` has the fourth of ``MANNERS``.
"""

import http.client
import json
import sys
import time
from typing import Any

MANNERS = ("good", "ignores conflicts", "goes on after the end", "forbidden", "dies", "idle")


class Agent:
    """One device; ``say`` is one request."""

    def __init__(self, host: str, port: int, thing: str) -> None:
        self.address = host, port
        self.thing = thing

    def say(self, method: str, job: str, **members: Any) -> tuple[int, Any]:
        """Status and body; status 0 where nothing was answered."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        try:
            connection.request(method, f"/things/{self.thing}/jobs/{job}", json.dumps(members))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()

    def start(self) -> Any:
        """The execution to work on, once there is one."""
        while True:
            status, body = self.say("PUT", "$next")
            if status == 200 and "execution" in body:
                return body["execution"]
            time.sleep(0.02)

    def moved(self, job: str, version: int) -> int:
        """Somebody else's version, once somebody else has written."""
        while True:
            status, body = self.say("GET", job)
            if status == 200 and body["execution"]["versionNumber"] != version:
                return int(body["execution"]["versionNumber"])
            time.sleep(0.02)

    def end(self, job: str, version: int) -> None:
        """Report success until it is taken, or over."""
        while True:
            status, body = self.say("POST", job, status="SUCCEEDED", expectedVersion=version)
            if status in (200, 404, 409):
                return
            print(status, body, flush=True)
            if "found version" in body.get("message", ""):
                version = int(body["message"].rpartition(" ")[2])
                if self.say("GET", job)[0] != 200:
                    return  # it is over
            time.sleep(0.02)


def main(host: str, port: str, thing: str) -> None:
    """Behave."""
    manner = MANNERS[int(thing[-6:])]
    agent = Agent(host, int(port), thing)
    print(f"{thing} is here: {manner}", flush=True)
    if manner == "idle":
        time.sleep(600)
    execution = agent.start()
    job, version = execution["jobId"], execution["versionNumber"]
    if manner == "dies":
        sys.exit(3)
    agent.moved(job, version)
    if manner == "ignores conflicts":
        agent.say("POST", job, status="SUCCEEDED", expectedVersion=version)
    elif manner == "forbidden":
        agent.say("POST", job, status="REMOVED")
        agent.end(job, version)
    else:
        agent.end(job, version)
    if manner == "goes on after the end":
        agent.say("POST", job, status="IN_PROGRESS")
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:4])
