"""AWS's own device SDK for Python: MQTT 5 and 3.1.1, both its jobs clients, over plain TCP."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from awscrt import io, mqtt, mqtt5, mqtt_request_response
from awsiot import V2ServiceException, iotjobs

from simulator.jobs.messages import CreateJobRequest
from tests.raw_mqtt import RawService, raw_service

pytestmark = pytest.mark.slow

WAIT_S = 10


class Client:
    """The SDK's MQTT 5 client, connected."""

    def __init__(self, port: int, client_id: str, **options: Any) -> None:
        self.connected: Future[Any] = Future()
        self.gone: Future[Any] = Future()
        self.stopped: Future[None] = Future()
        self.messages: list[mqtt5.PublishPacket] = []
        self.crt = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name="127.0.0.1",
                port=port,
                connect_options=mqtt5.ConnectPacket(
                    client_id=client_id, keep_alive_interval_sec=60, **options
                ),
                on_lifecycle_event_connection_success_fn=self._resolve(self.connected),
                on_lifecycle_event_disconnection_fn=self._resolve(self.gone),
                on_lifecycle_event_stopped_fn=lambda _: self.stopped.set_result(None),
                on_publish_callback_fn=lambda data: self.messages.append(data.publish_packet),
            )
        )
        self.crt.start()
        self.welcome = self.connected.result(WAIT_S)

    def _resolve(self, future: Future[Any]) -> Callable[[Any], None]:
        return lambda data: None if future.done() else future.set_result(data)

    def stop(self) -> None:
        self.crt.stop()
        self.stopped.result(WAIT_S)


def served(body: Callable[[RawService], None]) -> Callable[[], None]:
    """Run a blocking body in a thread, a service with a job for thing T beside it."""

    def test() -> None:
        async def run() -> None:
            async with raw_service() as s:
                service = s.host.service
                request = CreateJobRequest([service.registry.thing_arn("T")], '{"do":1}')
                service.create_job("J", request, s.host.now())
                s.host.publish()
                await asyncio.to_thread(body, s)

        asyncio.run(run())

    return test


@served
def test_what_was_negotiated(s: RawService) -> None:
    client = Client(s.port, "c", session_expiry_interval_sec=100_000)
    settings = client.welcome.negotiated_settings
    assert settings.maximum_qos == mqtt5.QoS.AT_LEAST_ONCE
    assert settings.session_expiry_interval_sec == 3600
    assert settings.receive_maximum_from_server == 100
    assert settings.topic_alias_maximum_to_server == 8
    assert not settings.subscription_identifiers_available
    assert settings.shared_subscriptions_available
    client.stop()


@served
def test_the_jobs_client_of_the_first_version(s: RawService) -> None:
    client = Client(s.port, "c")
    jobs = iotjobs.IotJobsClient(client.crt)
    answers: Future[Any] = Future()
    subscribed, _ = jobs.subscribe_to_start_next_pending_job_execution_accepted(
        iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name="T"),
        mqtt5.QoS.AT_LEAST_ONCE,
        answers.set_result,
    )
    subscribed.result(WAIT_S)
    jobs.publish_start_next_pending_job_execution(
        iotjobs.StartNextPendingJobExecutionRequest(thing_name="T", client_token="t"),
        mqtt5.QoS.AT_LEAST_ONCE,
    ).result(WAIT_S)
    execution = answers.result(WAIT_S).execution
    assert (execution.job_id, execution.status, execution.job_document) == (
        "J",
        "IN_PROGRESS",
        {"do": 1},
    )
    client.stop()


@served
def test_the_jobs_client_of_the_second_version(s: RawService) -> None:
    client = Client(s.port, "c")
    jobs = iotjobs.IotJobsClientV2(
        client.crt,
        mqtt_request_response.ClientOptions(
            max_request_response_subscriptions=4, max_streaming_subscriptions=2
        ),
    )
    pending = jobs.get_pending_job_executions(
        iotjobs.GetPendingJobExecutionsRequest(thing_name="T")
    ).result(WAIT_S)
    assert [summary.job_id for summary in pending.queued_jobs] == ["J"]
    started = jobs.start_next_pending_job_execution(
        iotjobs.StartNextPendingJobExecutionRequest(thing_name="T")
    ).result(WAIT_S)
    update = iotjobs.UpdateJobExecutionRequest(
        thing_name="T",
        job_id="J",
        status=iotjobs.JobStatus.SUCCEEDED,
        expected_version=started.execution.version_number,
    )
    jobs.update_job_execution(update).result(WAIT_S)
    with pytest.raises(V2ServiceException) as caught:
        jobs.update_job_execution(update).result(WAIT_S)
    assert caught.value.modeled_error.code == "VersionMismatch"
    del jobs
    client.stop()


@served
def test_who_is_taken_over_hears_why(s: RawService) -> None:
    first = Client(s.port, "same")
    second = Client(s.port, "same")
    gone = first.gone.result(WAIT_S)
    first.stop()
    assert gone.disconnect_packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
    second.stop()


def connection(port: int, clean: bool) -> mqtt.Connection:
    """The SDK's client of MQTT 3.1.1."""
    client = mqtt.Client(io.ClientBootstrap.get_or_create_static_default(), None)
    return mqtt.Connection(
        client=client, host_name="127.0.0.1", port=port, client_id="c", clean_session=clean
    )


@served
def test_the_jobs_client_over_mqtt_3_1_1(s: RawService) -> None:
    client = connection(s.port, clean=True)
    assert client.connect().result(WAIT_S) == {"session_present": False}
    jobs = iotjobs.IotJobsClient(client)
    answers: Future[Any] = Future()
    subscribed, _ = jobs.subscribe_to_update_job_execution_rejected(
        iotjobs.UpdateJobExecutionSubscriptionRequest(thing_name="T", job_id="J"),
        mqtt.QoS.AT_LEAST_ONCE,
        answers.set_result,
    )
    subscribed.result(WAIT_S)
    update = iotjobs.UpdateJobExecutionRequest(
        thing_name="T", job_id="J", status="REMOVED", client_token="t"
    )
    jobs.publish_update_job_execution(update, mqtt.QoS.AT_LEAST_ONCE).result(WAIT_S)
    answer = answers.result(WAIT_S)
    assert (answer.code, answer.client_token) == ("InvalidStateTransition", "t")
    client.disconnect().result(WAIT_S)


@served
def test_a_session_of_mqtt_3_1_1_is_resumed(s: RawService) -> None:
    client = connection(s.port, clean=False)
    client.connect().result(WAIT_S)
    subscribed, _ = client.subscribe("a", mqtt.QoS.AT_LEAST_ONCE)
    assert subscribed.result(WAIT_S)["qos"] == mqtt.QoS.AT_LEAST_ONCE
    client.disconnect().result(WAIT_S)
    other = Client(s.port, "other")
    message = mqtt5.PublishPacket(topic="a", payload=b"meanwhile", qos=mqtt5.QoS.AT_LEAST_ONCE)
    other.crt.publish(message).result(WAIT_S)
    other.stop()
    heard: Future[bytes] = Future()
    client = connection(s.port, clean=False)
    client.on_message(lambda topic, payload, **_: heard.set_result(payload))
    assert client.connect().result(WAIT_S) == {"session_present": True}
    assert heard.result(WAIT_S) == b"meanwhile"
    client.disconnect().result(WAIT_S)
