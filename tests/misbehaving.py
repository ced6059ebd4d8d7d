"""Targets that break their word, each on a port of its own: what a fleet must survive."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from simulator.mqtt import Connack, PacketReader, Publish, Suback, Subscribe, encode

Manner = Literal[
    "silent",
    "garbage",
    "drops after SUBACK",
    "drops a request",
    "no JSON",
    "no UTF-8",
    "others' tokens",
    "answers nothing",
]
"""``silent`` from the first byte on, ``answers nothing`` once it has taken a subscription."""

ANSWERS = {
    "no JSON": b"<html>",
    "no UTF-8": b'{"clientToken":"\xff"}',
    "others' tokens": b'{"clientToken":"somebody else\'s"}',
}


class Misbehaving:
    """An MQTT server, up to the point where it goes wrong."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self._listening)
        )
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0.01))  # who has just been let in has a task
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._speak(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.manner == "garbage":
            writer.write(os.urandom(4000))
            await asyncio.sleep(0.5)
            return
        packets = PacketReader("server")
        while data := await reader.read(4096):
            if self.manner == "silent":
                continue
            for packet in packets.feed(data):
                if not isinstance(packet, Subscribe):
                    if packets.level and type(packet).__name__ == "Connect":
                        writer.write(encode(Connack()))
                        continue
                    if self.manner == "answers nothing":
                        continue
                    if isinstance(packet, Publish) and self.manner in ANSWERS:
                        answer = Publish(f"{packet.topic}/accepted", ANSWERS[self.manner])
                        writer.write(encode(answer))
                        continue
                    if self.manner in ANSWERS:
                        continue
                    return  # a request, and no answer
                writer.write(encode(Suback(packet.packet_id, (1,) * len(packet.filters))))
                if self.manner == "drops after SUBACK":
                    await writer.drain()
                    return


@contextmanager
def misbehaving(manner: Manner) -> Iterator[Misbehaving]:
    """Such a server, for as long as the block lasts."""
    server = Misbehaving(manner)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def nonsense(answer: bytes) -> Iterator[int]:
    """The port of an HTTP server that has the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815  # the names that http.server asks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
