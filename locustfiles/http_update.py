r"""Things that report over HTTP: StartNextPendingJobExecution, then UpdateJobExecution in a loop.

    locust -f locustfiles/http_update.py --headless -u 50 -r 50 -t 20s

One user is one thing; with ``--things 10`` five of them share each, and conflicts, which are no
failures, have a row of their own. ``--tags update`` leaves out what is not an update,
``--scenario FILE`` takes the things and the job from there, ``--host http://HOST:PORT`` goes to a
service that runs already (else one is started, and stopped).
"""

from locust import tag, task

from simulator.locust_http import ThingOverHttp


class HttpThing(ThingOverHttp):
    """Of ten requests, nine report."""

    @tag("update")
    @task(9)
    def report(self) -> None:
        """UpdateJobExecution with the version that is known."""
        self.update()

    @tag("start-next")
    @task(1)
    def look(self) -> None:
        """StartNextPendingJobExecution, as agents do at each notice."""
        self.start_next()
