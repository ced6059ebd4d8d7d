"""The things' network: ``network`` in the file, and what a cohort's own overrides of it."""

from typing import Annotated, Final

from pydantic import Field

from simulator import behaviour
from simulator.scenario.durations import NO_TIME, Distribution
from simulator.scenario.quantities import Duration, Name, Part, PositiveDuration, Share
from simulator.scenario.selectors import Selector


class Backoff(Part):
    """How long a thing waits before it tries again: doubling, with full jitter."""

    base: PositiveDuration = 1.0
    maximum: PositiveDuration = 60.0


class PartitionPart(Selector):
    """These things cannot reach the service for a while."""

    name: Name
    at: Duration = Field(description="When it begins, in scenario time.")
    lasts: PositiveDuration

    def plain(self) -> behaviour.Partition:
        """As a plain value."""
        return behaviour.Partition(self.name, self.selection(self.name), self.at, self.lasts)


class StormPart(Selector):
    """These things lose their connections and come back."""

    name: Name
    at: Duration = Field(description="When it begins, in scenario time.")
    within: Duration = Field(0.0, description="All within so long; at once if absent.")

    def plain(self) -> behaviour.Storm:
        """As a plain value."""
        return behaviour.Storm(self.name, self.selection(self.name), self.at, self.within)


LATENCY: Final = "Round trip of one exchange."
JITTER: Final = "Added to each round trip."
LOST_REPLIES: Final = "The request arrives, its reply does not."
LOST_REQUESTS: Final = "The request never arrives."
DUPLICATED: Final = "The request arrives twice."
REORDERED: Final = (
    "The request arrives after the next one of the same thing, or reply_timeout late."
)
DISCONNECTS: Final = "How long a connection lives, in scenario time."
CLOCK_SKEW: Final = "What a thing's own clock is off by: drawn once, ahead or behind."
REPLY_TIMEOUT: Final = "How long a thing waits for a reply."


class OwnNetwork(Part):
    """What is different in a cohort's network; the rest is the scenario's."""

    latency: Distribution | None = Field(None, description=LATENCY)
    jitter: Distribution | None = Field(None, description=JITTER)
    lost_replies: Share | None = Field(None, description=LOST_REPLIES)
    lost_requests: Share | None = Field(None, description=LOST_REQUESTS)
    duplicated: Share | None = Field(None, description=DUPLICATED)
    reordered: Share | None = Field(None, description=REORDERED)
    disconnects: Distribution | None = Field(None, description=DISCONNECTS)
    clock_skew: Distribution | None = Field(None, description=CLOCK_SKEW)
    reply_timeout: PositiveDuration | None = Field(None, description=REPLY_TIMEOUT)
    backoff: Backoff | None = None


class NetworkPart(Part):
    """The things' network.

    What a protocol waits for is never scaled; disconnects, partitions and storms are scenario time.
    """

    latency: Distribution = Field(NO_TIME, description=LATENCY)
    jitter: Distribution | None = Field(None, description=JITTER)
    lost_replies: Share = Field(0.0, description=LOST_REPLIES)
    lost_requests: Share = Field(0.0, description=LOST_REQUESTS)
    duplicated: Share | None = Field(None, description=DUPLICATED)
    reordered: Share | None = Field(None, description=REORDERED)
    disconnects: Distribution | None = Field(None, description=DISCONNECTS)
    clock_skew: Distribution | None = Field(None, description=CLOCK_SKEW)
    reply_timeout: PositiveDuration = Field(10.0, description=REPLY_TIMEOUT)
    backoff: Backoff = Backoff()
    partitions: Annotated[list[PartitionPart], Field(min_length=1)] | None = Field(
        None, description="Named outages between some things and the service."
    )
    storms: Annotated[list[StormPart], Field(min_length=1)] | None = Field(
        None, description="Named moments in which some things lose their connections."
    )

    def plain(self) -> behaviour.Network:
        """As a plain value."""
        return behaviour.Network(
            latency=self.latency.plain(),
            lost_replies=self.lost_replies,
            lost_requests=self.lost_requests,
            reply_timeout=self.reply_timeout,
            backoff_base=self.backoff.base,
            backoff_maximum=self.backoff.maximum,
            jitter=None if self.jitter is None else self.jitter.plain(),
            duplicated=self.duplicated or 0.0,
            reordered=self.reordered or 0.0,
            disconnects=None if self.disconnects is None else self.disconnects.plain(),
            clock_skew=None if self.clock_skew is None else self.clock_skew.plain(),
            partitions=tuple(part.plain() for part in self.partitions or ()),
            storms=tuple(part.plain() for part in self.storms or ()),
        )

    def with_own(self, own: OwnNetwork) -> behaviour.Network:
        """A cohort's network as a plain value, without partitions and storms."""
        given = {name: getattr(own, name) for name in OwnNetwork.model_fields}
        changed = {name: value for name, value in given.items() if value is not None}
        nothing_named = {"partitions": None, "storms": None}
        return self.model_copy(update={**changed, **nothing_named}).plain()
