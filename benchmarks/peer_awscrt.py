"""The closed loop by the AWS IoT Device SDK's own client (awscrt, native code), from a script.

``python -m benchmarks.peer_awscrt PORT THINGS SECONDS``. Each reply's callback publishes the next
request. awsiot's layer for jobs, which lies on top of this, would only make it slower.
"""

import os
import sys
import threading
import time

from awscrt import io, mqtt

from benchmarks.closed_loop import ClosedLoop, Window, asked
from benchmarks.served import thing_names


def main() -> None:
    """Connect all, let them talk, count."""
    port, things, seconds = asked(sys.argv[1:])
    group = io.EventLoopGroup(1)  # a second one would only wait for the interpreter's lock
    client = mqtt.Client(io.ClientBootstrap(group, io.DefaultHostResolver(group)))
    connections = []
    for name in thing_names(things):
        connection = mqtt.Connection(client, "127.0.0.1", port, name, keep_alive_secs=300)
        connection.connect().result(30)
        loop = ClosedLoop(name)

        def heard(
            topic: str,
            payload: bytes,
            *,
            loop: ClosedLoop = loop,
            to: mqtt.Connection = connection,
            **_more: object,
        ) -> None:
            answer = loop.heard(topic, payload)
            if answer is not None:
                to.publish(answer[0], answer[1], mqtt.QoS.AT_LEAST_ONCE)

        for topic in loop.filters:
            connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, heard)[0].result(30)
        connection.publish(loop.first[0], loop.first[1], mqtt.QoS.AT_LEAST_ONCE)
        connections.append(connection)
    window, pause = Window(things, seconds), threading.Event()
    while not window.over:
        pause.wait(0.1)
        window.look(time.perf_counter())
    window.tell()
    os._exit(0)  # the SDK's threads call back until they are told of each connection's end


if __name__ == "__main__":
    main()
