"""TLS in front of the other doors: the handshake, who the client is, and which door it wants.

Rule 1: what is no TLS, or shows no good certificate where one is asked for, is refused in the
        handshake, with an alert that says why; one log line, and the listener lives on.
Rule 2: on a shared port ALPN names the door (DG:protocols): ``x-amzn-mqtt-ca`` and ``mqtt`` lead to
        MQTT, ``x-amzn-http-ca``, ``http/1.1`` and nothing at all to HTTP.
Rule 3: with mutual TLS a dedicated port asks every client for a certificate. A shared port asks,
        and takes a client without one only where a signature may stand for it: to plain HTTP.

TLS 1.2 and 1.3, as AWS. asyncio drops a connection whose handshake fails without a word to anyone,
and OpenSSL's alert with it: hence ``_Handshake``, which sends that alert first.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from simulator.endpoints.identity import Device, Policies
from simulator.errors import UsageError

log = logging.getLogger(__name__)

HANDSHAKE_WITHIN_S: Final = 10.0
MQTT_BY_CERTIFICATE: Final = "x-amzn-mqtt-ca"
HTTP_BY_CERTIFICATE: Final = "x-amzn-http-ca"
ALPN: Final = (MQTT_BY_CERTIFICATE, HTTP_BY_CERTIFICATE, "mqtt", "http/1.1")

_connection: ContextVar[asyncio.BaseTransport] = ContextVar("connection")


@dataclass(frozen=True, slots=True)
class Identification:
    """The files that say who the server is, and whom it believes."""

    certificate: Path
    key: Path
    authority: Path | None = None
    """Clients must show a certificate that this CA has signed."""


class _Handshake(ssl.SSLObject):
    """An SSL object whose alert reaches the client when the handshake fails."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError:
            alert, descriptor = self._outgoing.read(), self._descriptor  # type: ignore[attr-defined]
            if alert and descriptor >= 0:
                try:
                    os.write(descriptor, alert)
                except OSError:  # the client is gone: nobody is left to be told
                    pass
            raise


class _Context(ssl.SSLContext):
    """A context whose SSL objects know where their alerts go."""

    sslobject_class = _Handshake

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **named: Any
    ) -> ssl.SSLObject:
        """As its parent, and remember the way out."""
        made: Any = super().wrap_bio(incoming, outgoing, *args, **named)
        made._outgoing = outgoing
        transport = _connection.get(None)
        plain = None if transport is None else transport.get_extra_info("socket")
        made._descriptor = -1 if plain is None else plain.fileno()
        return made


def context(files: Identification, *, shared: bool = False) -> ssl.SSLContext:
    """What a TLS listener needs; ``shared`` offers ALPN and leaves the certificate to Rule 3.

    Raises:
        UsageError: a file is not there, or is not what it should be.
    """
    made = _Context(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(files.certificate, files.key)
        if files.authority is not None:
            made.load_verify_locations(files.authority)
            made.verify_mode = ssl.CERT_OPTIONAL if shared else ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        names = [str(f) for f in (files.certificate, files.key, files.authority) if f is not None]
        raise UsageError(
            f"TLS files {', '.join(names)}: {error}; `jobfleet certs DIR` makes a set"
        ) from None
    if shared:
        made.set_alpn_protocols(list(ALPN))
    return made


Welcome = Callable[[Device | None, bool], asyncio.Protocol]
"""Makes a connection of a door: for whom, and whether it is trusted without a signature."""


class TlsEndpoint:
    """One TLS port, and the doors behind it."""

    def __init__(
        self,
        files: Identification,
        policies: Policies,
        *,
        mqtt: Welcome | None = None,
        http: Welcome | None = None,
    ) -> None:
        """With one door the port is that door's, with both it is shared."""
        self._context = context(files, shared=mqtt is not None and http is not None)
        self._mutual = files.authority is not None
        self._policies = policies
        self._mqtt = mqtt
        self._http = http
        self._server: asyncio.Server | None = None
        self.handshakes: set[asyncio.Task[None]] = set()
        self.refused = 0

    async def start(self, listening: socket.socket) -> None:
        """Serve on a socket that is bound already."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Doorman(self, loop), sock=listening, backlog=4096
        )

    async def stop(self) -> None:
        """Close the port; the doors close their connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self.handshakes):
            task.cancel()

    async def shake_hands(
        self, loop: asyncio.AbstractEventLoop, plain: asyncio.Transport, doorman: "_Doorman"
    ) -> None:
        """Take a client in, or refuse it."""
        name = plain.get_extra_info("peername")
        peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "?"
        _connection.set(plain)
        try:
            secure = await loop.start_tls(
                plain, doorman, self._context, server_side=True,
                ssl_handshake_timeout=HANDSHAKE_WITHIN_S,
            )  # fmt: skip
        except (OSError, ssl.SSLError) as error:
            self.refused += 1
            log.warning("%s: TLS refused: %s", peer, _reason(error))
            plain.abort()
            return
        if secure is None or doorman.gone:
            return
        protocol = self._welcome(secure, peer)
        if protocol is None:
            self.refused += 1
            secure.close()
            return
        secure.set_protocol(protocol)
        protocol.connection_made(secure)
        if doorman.early:
            protocol.data_received(b"".join(doorman.early))
        if doorman.ended and not protocol.eof_received():
            secure.close()

    def _welcome(self, secure: asyncio.Transport, peer: str) -> asyncio.Protocol | None:
        tls = secure.get_extra_info("ssl_object")
        chosen = tls.selected_alpn_protocol()
        device = None
        if self._mutual:
            der = tls.getpeercert(binary_form=True)
            if der is not None:
                device = self._policies.device(tls.getpeercert(), der)
        if self._http is None or (
            self._mqtt is not None and chosen in ("mqtt", MQTT_BY_CERTIFICATE)
        ):
            make, signature_will_do = self._mqtt, False
        else:
            make, signature_will_do = self._http, chosen != HTTP_BY_CERTIFICATE
        if self._mutual and device is None and not signature_will_do:
            log.warning("%s: refused: ALPN %s asks for a client certificate", peer, chosen)
            return None
        assert make is not None
        return make(device, not self._mutual)


class _Doorman(asyncio.Protocol):
    """Stands at a TLS port until it is known whom a client wants."""

    def __init__(self, endpoint: TlsEndpoint, loop: asyncio.AbstractEventLoop) -> None:
        self._endpoint = endpoint
        self._loop = loop
        self.early: list[bytes] = []
        """What a client sent right behind its handshake."""
        self.ended = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: nothing is read before the handshake begins."""
        plain = cast("asyncio.Transport", transport)
        plain.pause_reading()
        task = self._loop.create_task(
            self._endpoint.shake_hands(self._loop, plain, self), name="tls handshake"
        )
        self._endpoint.handshakes.add(task)
        task.add_done_callback(self._endpoint.handshakes.discard)

    def data_received(self, data: bytes) -> None:
        """Keep it for whoever takes over."""
        self.early.append(data)

    def eof_received(self) -> bool:
        """The client has said all."""
        self.ended = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went before anybody took over."""
        self.gone = True


def _reason(error: Exception) -> str:
    """A handshake's failure in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate: {error.verify_message}"
    reason = getattr(error, "reason", None)
    words = {
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client showed no certificate",
        "HTTP_REQUEST": "plain HTTP on a TLS port",
        "WRONG_VERSION_NUMBER": "no TLS on a TLS port",
        "UNSUPPORTED_PROTOCOL": "TLS older than 1.2",
    }
    return words.get(reason or "", str(error) or type(error).__name__)
