"""Which things a service owns where several share a broker, and who may own them: rules, no IO.

Rule 1: shard K of N owns the things whose CRC-32 of the name in UTF-8, modulo N, is K - 1.
Rule 2: nobody owns what another owns. Two shards of the same number of shards overlap only if they
        are the same; of different numbers, if their places are equal modulo what divides both.
Rule 3: a service asks before it claims. Who owns what is asked for says so; who hears nothing
        claims, with a term above all that it has heard of. The broker tells everybody everything
        in one order: of two that claim at the same time the first wins, and the other, who sees
        that claim before the echo of its own, has lost.
Rule 4: an owner who hears of a claim with a higher term has been given up for dead: it owns
        nothing any more. To one with the same term it answers that it is there.
Rule 5: who owned the things last is on record, retained, and stays there: that service can trust
        the requests that the broker kept for it meanwhile, and nobody else can, since another has
        answered them. Whether the owner is alive is a retained message beside the record, which
        its last will clears. A record without it is free at once; one with it is taken over when
        its owner gives no sign of life.
"""

import re
from dataclasses import dataclass
from math import gcd
from typing import Final, Literal, NamedTuple
from zlib import crc32

import msgspec

from simulator.errors import UsageError

RECORDS: Final = "jobfleet/services/"
TALK: Final = f"{RECORDS}talk"
ALIVE: Final = "/alive"
MAX_SHARDS: Final = 1024

State = Literal["asks", "claims", "owns"]


class Saying(NamedTuple):
    """Something to publish."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of all things: the whole of them by default."""

    place: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """``K/N``, K from 1 to N.

        Raises:
            UsageError: it is no such thing.
        """
        found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text, re.ASCII)
        place, count = (0, 0) if found is None else map(int, found.groups())
        if not 1 <= place <= count <= MAX_SHARDS:
            raise UsageError(
                f"--shard {text!r}: write K/N, with K from 1 to N and N at most {MAX_SHARDS}, "
                "like 1/3"
            )
        return cls(place, count)

    def owns(self, thing_name: str) -> bool:
        """Whether a thing is of this shard."""
        return self.count == 1 or crc32(thing_name.encode()) % self.count == self.place - 1

    def overlaps(self, other: "Shard") -> bool:
        """Whether there can be a thing of both."""
        return (self.place - other.place) % gcd(self.count, other.count) == 0

    @property
    def topic(self) -> str:
        """Where its claim is on record."""
        return f"{RECORDS}{self.place}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.place}/{self.count}"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of itself, in talk and on record."""

    state: State
    shard: tuple[int, int]
    service: str
    """The client id, under which the broker keeps requests."""
    instance: str
    """This very process."""
    term: int = 0


_read: Final = msgspec.json.Decoder(Claim).decode


class Claims:
    """One service's view of who owns what; its methods say what there is to be published."""

    def __init__(self, shard: Shard, service: str, instance: str) -> None:
        self.shard = shard
        self.service = service
        self.instance = instance
        self.owner = False
        self.rival: Claim | None = None
        """Who owns what we would own."""
        self.echoed: State | None = None
        """What of our own talk has come back last."""
        self._term = 0
        self._claiming = False
        self._records: dict[str, Claim] = {}
        self._alive: dict[str, str] = {}
        """Topic of a record → the instance that is alive."""

    # ----------------------------------------------------------------------- said

    def begin(self) -> Saying:
        """Ask who is there, on a new connection."""
        self._records.clear()
        self._alive.clear()
        self.owner = self._claiming = False
        self.rival = self.echoed = None
        return self._say("asks")

    def claim(self) -> Saying:
        """Claim, with a term above all that was heard of."""
        self._claiming = True
        self._term = 1 + max([self._term, *(record.term for record in self._concerning())])
        return self._say("claims")

    def record(self) -> list[Saying]:
        """The claim is ours: put it on record, and strike out those that are void by it."""
        void = [Saying(r.topic + ALIVE, b"", True) for r in map(_shard, self.in_the_way())]
        mine = Saying(self.shard.topic, self._say("owns").payload, True)
        return [*void, mine, self._breathe()]

    def release(self) -> list[Saying]:
        """Give up what we own."""
        was, self.owner = self.owner, False
        return [self.last_breath()] if was else []

    def last_breath(self) -> Saying:
        """Nobody is alive there: for the last will."""
        return Saying(self.shard.topic + ALIVE, b"", True)

    def _breathe(self) -> Saying:
        return Saying(self.shard.topic + ALIVE, self.instance.encode(), True)

    def _say(self, state: State) -> Saying:
        claim = Claim(
            state=state,
            shard=(self.shard.place, self.shard.count),
            service=self.service,
            instance=self.instance,
            term=self._term,
        )
        return Saying(TALK, msgspec.json.encode(claim))

    # ----------------------------------------------------------------------- known

    def in_the_way(self) -> list[Claim]:
        """Records of others, alive as far as the broker knows, for what we would own."""
        return [
            record
            for record in self._concerning()
            if record.instance != self.instance
            and self._alive.get(_shard(record).topic) == record.instance
        ]

    def owned_last(self) -> bool:
        """Whether nobody else owned any of our things since we did."""
        records = self._concerning()
        return not records or max(records, key=lambda r: r.term).service == self.service

    def _concerning(self) -> list[Claim]:
        return [record for record in self._records.values() if self._concerns(record)]

    def _concerns(self, other: Claim) -> bool:
        """Whether it would have something that we would have: things, or the broker's session."""
        return other.service == self.service or self.shard.overlaps(_shard(other))

    # ----------------------------------------------------------------------- heard

    def heard(self, topic: str, payload: bytes) -> list[Saying]:
        """Somebody said something: what we say to that."""
        if topic.endswith(ALIVE):
            return self._heard_of_life(topic.removesuffix(ALIVE), payload)
        try:
            said = _read(payload)
        except msgspec.MsgspecError:
            return []  # not said by one of us
        if not 1 <= said.shard[0] <= said.shard[1] <= MAX_SHARDS:
            return []
        if topic != TALK:
            self._records[topic] = said
            return []
        if said.instance != self.instance:
            return self._talk(said) if self._concerns(said) else []
        self.echoed = said.state
        self.owner = self.owner or (said.state == "claims" and self.rival is None)
        return []

    def _heard_of_life(self, topic: str, payload: bytes) -> list[Saying]:
        if payload:
            self._alive[topic] = payload.decode(errors="replace")
            return []
        self._alive.pop(topic, None)
        # the will of one who was given up for dead may come late
        return [self._breathe()] if self.owner and topic == self.shard.topic else []

    def _talk(self, said: Claim) -> list[Saying]:
        if said.state == "asks":
            return [self._say("owns")] if self.owner else []
        if self.owner and said.term <= self._term:
            return [self._say("owns")] if said.state == "claims" else []
        if self.owner or not self._claiming or said.term >= self._term:
            self.owner, self.rival = False, said
        return []


def _shard(claim: Claim) -> Shard:
    return Shard(*claim.shard)
