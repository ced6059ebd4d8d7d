"""The floor of HTTP: an ASGI application that reads a body and answers ``{}``, under uvicorn."""

import asyncio
import json
import sys
from typing import Any

import uvicorn

HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """One request."""
    await receive()
    await send(HEAD)
    await send({"type": "http.response.body", "body": b"{}"})


class Announcing(uvicorn.Server):
    """Says its port once it serves, and ends when standard input closes."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Open the port."""
        await super().startup(sockets=sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"http": port}), flush=True)
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), lambda: setattr(self, "should_exit", True))


if __name__ == "__main__":
    Announcing(
        uvicorn.Config(
            application, port=0, loop="uvloop", http="httptools", lifespan="off",
            access_log=False, log_level=40,
        )
    ).run()  # fmt: skip
