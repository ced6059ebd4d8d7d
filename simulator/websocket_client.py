"""The client's end of MQTT over WebSocket: the upgrade, then the frames that both ends share."""

import asyncio
from typing import Final, cast

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, RejectData, Request
from wsproto.utilities import RemoteProtocolError

from simulator.endpoints.websocket import SUBPROTOCOL, WebSocket
from simulator.errors import Disconnected

MAX_HEAD: Final = 65_536


class WebSocketClient(WebSocket):
    """A WebSocket that asks for its upgrade; ``opened`` is done when MQTT can begin."""

    def __init__(self, inner: asyncio.Protocol, host: str, path: str) -> None:
        """``host`` as the Host header has it, ``path`` with its query."""
        super().__init__(inner)
        self._upgrade = WSConnection(ConnectionType.CLIENT)
        self._request = Request(host=host, target=path, subprotocols=[SUBPROTOCOL])
        self._where = host
        self._size = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._outer = outer = cast("asyncio.Transport", transport)
        outer.write(self._upgrade.send(self._request))

    def data_received(self, data: bytes) -> None:
        """The answer to the upgrade, then frames."""
        if self.opened.done():
            super().data_received(data)
            return
        self._size += len(data)
        try:
            self._upgrade.receive_data(data)
            for event in self._upgrade.events():
                if isinstance(event, AcceptConnection):
                    if event.subprotocol != SUBPROTOCOL:
                        self._refused("it speaks no MQTT in its WebSocket")
                        return
                    self._begin()
                elif isinstance(event, RejectConnection | RejectData):
                    status = getattr(event, "status_code", None)
                    self._refused(f"HTTP status {status}" if status else "no WebSocket there")
                    return
                elif self.opened.done():
                    self._event(event)
        except RemoteProtocolError as error:
            self._refused(f"no WebSocket there: {error}")
        if self._size > MAX_HEAD and not self.opened.done():
            self._refused("no WebSocket there")

    def _begin(self) -> None:
        connection = self._upgrade.connection
        assert connection is not None
        self._frames = connection
        self.opened.set_result(None)
        self._inner.connection_made(self)

    def _refused(self, why: str) -> None:
        if not self.opened.done():
            message = f"{self._where} refused the WebSocket: {why}"
            self.opened.set_exception(Disconnected(message))
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        if self.opened.done():
            super().connection_lost(exc)
        else:
            self._outer = None
            why = f"{self._where} closed the connection before the WebSocket was open"
            self.opened.set_exception(Disconnected(why))
            self.opened.exception()  # the dialler may have given up by then
