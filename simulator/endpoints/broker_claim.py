"""The connection over which a service claims its things on a broker that others use too.

It holds nothing but the claim: its session is clean, its client id is this process's own, and its
last will says that it is gone. Requests come over another connection, which is opened
only once the claim is ours, and closed when it is lost. The rules are in ``shards.py``.

Everything is said and heard at QoS 0: on one connection that is in order and without loss, and it
does not wait behind anything.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from simulator.endpoints.shards import RECORDS, Claims, Saying, Shard
from simulator.errors import Disconnected, UsageError
from simulator.mqtt import Disconnect, Publish, Will, encode
from simulator.mqtt_client import ClientConnection

log = logging.getLogger(__name__)

ECHO_WITHIN_S: Final = 10.0
LOOK_S: Final = 0.01

FILTERS: Final = ((f"{RECORDS}#", 0),)


def will_of(claims: Claims) -> Will:
    """What the broker says of us when we are gone."""
    topic, payload, retain = claims.last_breath()
    return Will(topic, payload, 0, retain)


class ClaimConnection(ClientConnection):
    """Asks, claims, and answers others who ask."""

    __slots__ = ("_claims", "_left", "_lost", "_opening")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, claims: Claims, lost: Callable[[str], None]
    ) -> None:
        """``lost`` is called with the reason when the claim, or its connection, is gone."""
        super().__init__(loop)
        self._claims = claims
        self._lost = lost
        self._left = False
        self._opening = claims.begin()  # before the first record is told, which SUBSCRIBE leads to

    async def stand(self, sign_of_life_s: float) -> bool:
        """Claim our things; whether the requests that were kept for us can be trusted.

        Raises:
            UsageError: another service has them.
            Disconnected: the broker went away, or lets nobody speak of claims.
        """
        claims = self._claims
        self._say(self._opening)
        await self._until(lambda: claims.echoed == "asks", ECHO_WITHIN_S)
        if claims.echoed is None:
            raise Disconnected(
                f"{self._where} does not let us read and write {RECORDS}#, where services claim "
                "their things: allow it, or use another user"
            )
        if claims.in_the_way():
            await self._until(lambda: not claims.in_the_way(), sign_of_life_s)
            for record in claims.in_the_way():
                log.warning(
                    "service %s (shard %d/%d) gives no sign of life: its claim is taken over",
                    record.service, *record.shard,
                )  # fmt: skip
        trusted = claims.owned_last()
        self._say(claims.claim())
        await self._until(lambda: claims.echoed == "claims", ECHO_WITHIN_S)
        if not claims.owner:
            raise Disconnected(f"{self._where} does not answer")
        for saying in claims.record():
            self._say(saying)
        return trusted

    def leave(self) -> None:
        """Give up the claim, and go."""
        for saying in self._claims.release():
            self._say(saying)
        self._left = True
        self.close()

    async def _until(self, reached: Callable[[], bool], within: float) -> None:
        """Wait until something is so, at most so many seconds; raise if another has our things."""
        claims, deadline = self._claims, self._loop.time() + within
        while not reached() and self._loop.time() < deadline and claims.rival is None:
            if self._transport is None:
                raise Disconnected(f"{self._where} closed the connection")
            await asyncio.sleep(LOOK_S)
        if claims.rival is not None:
            raise taken(claims)

    # ----------------------------------------------------------------------- the connection

    def published(self, packet: Publish) -> None:
        """Somebody said something of claims."""
        if self._left:
            return
        was = self._claims.owner
        for answer in self._claims.heard(packet.topic, packet.payload):
            self._say(answer)
        if was and not self._claims.owner:
            self._lost(str(taken(self._claims)))

    def dismissed(self, packet: Disconnect) -> None:
        """The broker says why it closes the connection."""
        self._lost(f"the broker closed the connection (reason {packet.reason:#x})")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and the claim with it."""
        super().connection_lost(exc)
        if self._left:
            return
        self._claims.owner = False
        self._lost(str(exc) if exc else "the connection was closed")

    def _say(self, saying: Saying) -> None:
        if self._transport is not None:
            topic, payload, retain = saying
            self._wrote = self._loop.time()
            self._transport.write(encode(Publish(topic, payload, retain=retain), self.level))


def taken(claims: Claims) -> UsageError:
    """Somebody else has what we would have."""
    rival = claims.rival
    assert rival is not None
    place, count = rival.shard
    if not claims.shard.overlaps(Shard(place, count)):
        return UsageError(
            f"the service of shard {place}/{count} has the client id {rival.service} on this "
            "broker already; choose another with --broker-client-id"
        )
    return UsageError(
        f"service {rival.service} owns the things of shard {place}/{count} on this broker already, "
        f"and shard {claims.shard} would answer their requests again; end it, or share the things "
        "out with --shard K/N"
    )
