"""TLS in front of the other doors: the handshake, who the client is, and which door it wants.

Rule 1: what is no TLS, or shows no good certificate where one is asked for, is refused in the
        handshake, with an alert that says why; one log line, and the listener lives on.
Rule 2: on a shared port ALPN names the door (DG:protocols): ``x-amzn-mqtt-ca`` and ``mqtt`` lead to
        MQTT, ``x-amzn-http-ca``, ``http/1.1`` and nothing at all to HTTP.
Rule 3: with mutual TLS a dedicated port asks every client for a certificate. A shared port asks,
        and takes a client without one only where a signature may stand for it: to plain HTTP.

TLS 1.2 and 1.3, as AWS. asyncio drops a connection whose handshake fails without a word to anyone,
and OpenSSL's alert with it: hence ``_Handshake``, which keeps it to be sent.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from simulator.endpoints.identity import Device, Policies
from simulator.errors import UsageError

log = logging.getLogger(__name__)

HANDSHAKE_WITHIN_S: Final = 10.0
SHUTDOWN_WITHIN_S: Final = 2.0
"""A client that does not answer our goodbye is cut off."""

ACCEPT_AGAIN_S: Final = 1.0
MQTT_BY_CERTIFICATE: Final = "x-amzn-mqtt-ca"
HTTP_BY_CERTIFICATE: Final = "x-amzn-http-ca"
ALPN: Final = (MQTT_BY_CERTIFICATE, HTTP_BY_CERTIFICATE, "mqtt", "http/1.1")


@dataclass(frozen=True, slots=True)
class Identification:
    """The files that say who the server is, and whom it believes."""

    certificate: Path
    key: Path
    authority: Path | None = None
    """Clients must show a certificate that this CA has signed."""


class _Handshake(ssl.SSLObject):
    """An SSL object that keeps OpenSSL's last words about a handshake that failed."""

    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        """As its parent, and the error carries the ``alert`` that the client should have had."""
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            error.alert = self.outgoing.read()  # type: ignore[attr-defined]
            raise


class _Context(ssl.SSLContext):
    """A context whose SSL objects are ours."""

    sslobject_class = _Handshake

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **named: Any
    ) -> _Handshake:
        """As its parent, and remember where the alert will be."""
        made = super().wrap_bio(incoming, outgoing, *args, **named)
        assert isinstance(made, _Handshake)
        made.outgoing = outgoing
        return made


def context(files: Identification, *, shared: bool = False) -> ssl.SSLContext:
    """What a TLS listener needs; ``shared`` offers ALPN and leaves the certificate to Rule 3.

    Raises:
        UsageError: a file is not there, or is not what it should be.
    """
    made = _Context(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
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
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket) -> None:
        """Serve on a socket that is bound already."""
        listening.setblocking(False)
        self._listening = listening
        self._accepting = asyncio.create_task(self._accept(listening), name="tls accept")

    async def stop(self) -> None:
        """Close the port; the doors close their connections."""
        tasks = [*self._handshakes, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()

    async def _accept(self, listening: socket.socket) -> None:
        """Take clients, each to a handshake of its own."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                plain, address = await loop.sock_accept(listening)
            except OSError as error:  # too many open files: some will close
                log.warning("cannot take a TLS client: %s", error)
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            peer = f"{address[0]}:{address[1]}"
            task = loop.create_task(self._shake_hands(loop, plain, peer), name="tls handshake")
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(
        self, loop: asyncio.AbstractEventLoop, plain: socket.socket, peer: str
    ) -> None:
        """Take a client in, or refuse it."""
        # The loop closes its own descriptor of a handshake that failed before we hear of it.
        try:
            descriptor = os.dup(plain.fileno())
        except OSError as error:  # too many open files
            log.warning("%s: TLS refused: %s", peer, error)
            plain.close()
            return
        try:
            await loop.connect_accepted_socket(
                lambda: _Doorman(self._welcome, peer), plain, ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_WITHIN_S, ssl_shutdown_timeout=SHUTDOWN_WITHIN_S,
            )  # fmt: skip
        except (OSError, ssl.SSLError) as error:
            log.warning("%s: TLS refused: %s", peer, _reason(error))
            _send(descriptor, getattr(error, "alert", b""))
        finally:
            os.close(descriptor)

    def _welcome(self, secure: asyncio.Transport, peer: str) -> asyncio.Protocol | None:
        tls = secure.get_extra_info("ssl_object")
        chosen = tls.selected_alpn_protocol()
        device = None
        if self._mutual:
            der = tls.getpeercert(binary_form=True)
            if der is not None:
                device = self._policies.device(tls.getpeercert(), der)
        asks_mqtt = chosen in ("mqtt", MQTT_BY_CERTIFICATE)
        make, signature_will_do = self._http, chosen != HTTP_BY_CERTIFICATE
        if make is None or (asks_mqtt and self._mqtt is not None):
            make, signature_will_do = self._mqtt, False
        if self._mutual and device is None and not signature_will_do:
            log.warning("%s: refused: ALPN %s asks for a client certificate", peer, chosen)
            return None
        assert make is not None
        return make(device, not self._mutual)


class _Doorman(asyncio.Protocol):
    """Stands at a TLS port until the handshake has told whom a client wants."""

    def __init__(
        self, welcome: Callable[[asyncio.Transport, str], asyncio.Protocol | None], peer: str
    ) -> None:
        self._welcome = welcome
        self._peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done: step aside."""
        secure = cast("asyncio.Transport", transport)
        protocol = self._welcome(secure, self._peer)
        if protocol is None:
            secure.close()
        else:
            secure.set_protocol(protocol)
            protocol.connection_made(secure)


def _send(descriptor: int, alert: bytes) -> None:
    try:
        os.write(descriptor, alert)
    except OSError:  # the client is gone: nobody is left to be told
        pass


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
