"""The closed loop by Locust's own MqttUser (paho beneath), as a locustfile.

Locust counts every publication by the user's own means (``request`` fires at the PUBACK), as it
counts ours. All have one name in its table, which is what its documentation advises. Beyond some
340 users MqttUser is to have ``use_loop_selectors``, a selector made anew for every packet: with
500 users a third of what it carries without.
"""

import os
import time
from typing import Any

import gevent
from locust import events, task
from locust.contrib.mqtt import MqttClient, MqttUser

from benchmarks.closed_loop import ClosedLoop, Window
from benchmarks.served import thing_names

PORT, THINGS, SECONDS = (int(os.environ[f"PEER_{name}"]) for name in ("PORT", "THINGS", "SECONDS"))
NAMES = iter(thing_names(THINGS))
WINDOW = Window(THINGS, SECONDS)


class OneName(MqttClient):
    """Publications of all things are one row."""

    def _generate_event_name(self, event_type: str, qos: int, topic: str) -> str:
        return event_type


class Thing(MqttUser):
    """One thing."""

    host = "127.0.0.1"
    port = PORT
    client_cls = OneName

    def __init__(self, environment: Any) -> None:
        self.loop = ClosedLoop(next(NAMES))
        self.client_id = self.loop.first[0].split("/")[2]
        super().__init__(environment)
        self.client.on_message = self.heard

    def on_start(self) -> None:
        """Subscribe once connected, then start."""
        while not self.client.is_connected():
            gevent.sleep(0.05)
        for topic in self.loop.filters:
            self.client.subscribe(topic, qos=1)
        gevent.sleep(0.2)
        self.client.publish(self.loop.first[0], self.loop.first[1], qos=1)

    def heard(self, _client: Any, _userdata: Any, message: Any) -> None:
        """The reply's callback publishes the next request."""
        answer = self.loop.heard(message.topic, message.payload)
        if answer is not None:
            self.client.publish(answer[0], answer[1], qos=1)

    @task
    def talk(self) -> None:
        """It talks in callbacks; this only stays."""
        gevent.sleep(3600)


@events.test_start.add_listener
def _watch(environment: Any, **_more: object) -> None:
    def watch() -> None:
        while not WINDOW.over:
            gevent.sleep(0.1)
            WINDOW.look(time.perf_counter())
        environment.runner.quit()

    gevent.spawn(watch)


@events.quitting.add_listener
def _tell(**_more: object) -> None:
    WINDOW.tell()
