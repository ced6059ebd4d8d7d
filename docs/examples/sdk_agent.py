"""An agent that survives conflicts, lost replies and disconnects, on the AWS IoT Device SDK.

    python sdk_agent.py --endpoint HOST --port 8883 --thing NAME --ca CA --cert CERT --key KEY

Without the files it speaks plain MQTT, as `jobfleet serve` does. It works on jobs until SIGTERM.

What makes it survive:

1. Every report says which version it expects, so two writers cannot overwrite each other unseen.
2. A report without a reply may have been taken. It is sent again as it was; when it is answered
   VersionMismatch with exactly what it wanted, one version on, it had been taken.
3. Any other VersionMismatch says what the execution is now: still in progress, then it goes on
   from that version; ended, then it stops working on it.
4. After the end of an execution nothing more is said about it.
"""

import argparse
import signal
import threading
import time
from concurrent.futures import TimeoutError as NoAnswer
from typing import Any

from awscrt import io, mqtt5, mqtt_request_response
from awsiot import ServiceStreamOptions, V2ServiceException, iotjobs

REPLY_WITHIN_S = 2
BUSY = ("RequestThrottled", "InternalError")  # rejections that are worth another try


class Agent:
    """One device."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.thing = options.thing
        self.steps, self.step_s = options.steps, options.step_seconds
        self.wake = threading.Event()  # set when something is next, or it is time to stop
        self.stopping, tls = False, None
        if options.cert:
            made = io.TlsContextOptions.create_client_with_mtls_from_path(options.cert, options.key)
            made.override_default_trust_store_from_path(None, options.ca)
            tls = io.ClientTlsContext(made)
        hello = mqtt5.ConnectPacket(client_id=self.thing, keep_alive_interval_sec=60)
        self.client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=options.endpoint,
                port=options.port,
                tls_ctx=tls,
                connect_options=hello,
                min_reconnect_delay_ms=200,
                max_reconnect_delay_ms=5_000,
                on_lifecycle_event_connection_success_fn=lambda _: self.wake.set(),
            )
        )
        self.client.start()
        # Room for 4 subscriptions to replies and 1 to notices.
        limits = mqtt_request_response.ClientOptions(4, 1, REPLY_WITHIN_S)
        self.jobs = iotjobs.IotJobsClientV2(self.client, limits)
        self.stream = self.jobs.create_next_job_execution_changed_stream(
            iotjobs.NextJobExecutionChangedSubscriptionRequest(thing_name=self.thing),
            ServiceStreamOptions(incoming_event_listener=lambda _: self.wake.set()),
        )
        self.stream.open()

    def run(self) -> None:
        """Work until told to stop. Asking again now and then makes up for a lost notice."""
        while not self.stopping:
            self.wake.clear()
            request = iotjobs.StartNextPendingJobExecutionRequest(thing_name=self.thing)
            reply, _ = self.ask(self.jobs.start_next_pending_job_execution, request)
            if reply is not None and reply.execution is not None:
                self.work(reply.execution)
            else:
                self.wake.wait(1 if reply is None else 10)
        self.client.stop()

    def work(self, execution: Any) -> None:
        """Install in steps; stop where the execution is no longer ours."""
        print(f"{execution.job_id}: begins at version {execution.version_number}", flush=True)
        version = execution.version_number
        for step in range(1, self.steps + 1):
            time.sleep(self.step_s)
            status = "SUCCEEDED" if step == self.steps else "IN_PROGRESS"
            version = self.report(execution.job_id, status, step, version)
            if version is None:
                return
        print(f"{execution.job_id}: succeeded at version {version}", flush=True)

    def report(self, job_id: str, status: str, step: int, version: int) -> int | None:
        """Report until the service has it: the version after it, or None where it is over."""
        details, unsure = {"step": str(step)}, False  # whether an earlier one may have been taken
        while not self.stopping:
            request = iotjobs.UpdateJobExecutionRequest(
                thing_name=self.thing,
                job_id=job_id,
                status=status,
                status_details=details,
                expected_version=version,
            )
            reply, refused = self.ask(self.jobs.update_job_execution, request)
            if reply is not None:
                return version + 1
            if refused is None:
                unsure = True
                continue
            print(f"{job_id}: {refused.code}: {refused.message}", flush=True)
            if refused.code in BUSY:
                time.sleep(0.5)
                continue
            found = refused.execution_state
            if refused.code != "VersionMismatch" or found is None:
                return None  # it is over, or gone
            taken = unsure and found.version_number == version + 1
            if taken and found.status == status and found.status_details == details:
                return int(found.version_number)
            if found.status != "IN_PROGRESS":
                return None
            version, unsure = found.version_number, False
        return None

    def ask(self, operation: Any, request: Any) -> tuple[Any, Any]:
        """The reply, or the rejection; neither where no answer came."""
        try:
            return operation(request).result(REPLY_WITHIN_S + 1), None
        except V2ServiceException as error:
            return None, error.modeled_error
        except NoAnswer:
            return None, None


def main() -> None:
    """Read the arguments and run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("endpoint", "thing", "ca", "cert", "key"):
        parser.add_argument(f"--{name}", required=name in ("endpoint", "thing"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--step-seconds", type=float, default=0.2)
    agent = Agent(parser.parse_args())

    def stop(*_: object) -> None:
        agent.stopping = True
        agent.wake.set()

    signal.signal(signal.SIGTERM, stop)
    agent.run()


if __name__ == "__main__":
    main()
