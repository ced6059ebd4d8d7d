"""What a broker keeps of all its clients: sessions, subscriptions, retained messages, wills.

Rule 1: time is handed in; ``expire(now)`` is all there is to timers.
Rule 2: a session outlives its connection by its expiry, and its subscriptions live as long. One
        that was begun in one version of MQTT is not resumed in the other (DG:mqtt).
Rule 3: a will is published when its delay is over or its session ends, whichever comes first, and
        not at all when the client is back before [5:MQTT-3.1.3-9].
Rule 4: a retained message is sent to a new subscription only if its filter is exactly the topic,
        and never to a shared one (DG:mqtt): here AWS differs from the specification.
"""

import heapq
from typing import Final

from simulator.mqtt.packets import RETAIN_IF_NEW, RETAIN_NEVER, Will
from simulator.mqtt.session import Group, Message, Receiver, Session
from simulator.mqtt.topics import Subscriptions

SESSION_EXPIRY: Final = 3600.0
"""Seconds that AWS keeps a session without a connection, at most (GR:core)."""

MAX_RETAINED: Final = 500_000
"""Topics with a retained message (GR:core)."""

MAX_GROUPS: Final = 100
MAX_MEMBERS: Final = 100
"""Shared subscriptions: groups of the account, and subscribers of a group (GR:core)."""

SHARE: Final = "$share/"
QOS_ANY: Final = 2
"""A group's own options: what counts are those of the member that is served."""


class Broker:
    """Sessions by client id, and who gets what."""

    def __init__(
        self, session_expiry: float = SESSION_EXPIRY, max_retained: int = MAX_RETAINED
    ) -> None:
        self.session_expiry = session_expiry
        self.max_retained = max_retained
        self.sessions: dict[str, Session] = {}
        self.subscriptions: Subscriptions[Session | Group] = Subscriptions()
        self.retained: dict[str, Message] = {}
        self._groups: dict[str, Group] = {}
        self._shared: dict[Session, dict[str, None]] = {}
        self._deadlines: list[tuple[float, int, Session]] = []
        self._count = 0

    # ----------------------------------------------------------------------- sessions

    def attach(
        self,
        client_id: str,
        receiver: Receiver,
        level: int,
        clean: bool,
        expiry: float,
        now: float,
    ) -> tuple[Session, bool]:
        """The session of a client that connects, and whether it was there already.

        A connection that had this client id must have been detached before.
        """
        session = self.sessions.get(client_id)
        over = session is not None and session.ends is not None and session.ends <= now
        if session is not None and (clean or over or session.level != level):
            self._end(session, now)
            session = None
        present = session is not None
        if session is None:
            session = self.sessions[client_id] = Session(client_id, level)
        session.expiry = min(expiry, self.session_expiry)
        session.receiver = receiver
        session.ends = session.will = session.will_due = None
        return session, present

    def resumed(self, session: Session, now: float) -> None:
        """A session that was there already takes messages again: its groups have waited for it."""
        for name in self._shared.get(session, {}):
            self._groups[name].joined(session, now)

    def detach(self, session: Session, now: float, will: Will | None) -> None:
        """A connection is gone; ``will`` is what it leaves, None where it said goodbye."""
        session.receiver = None
        session.will = will
        if session.expiry <= 0:
            self._end(session, now)
            return
        session.ends = now + session.expiry
        said = None if will is None else will.properties
        delay = 0 if said is None or said.will_delay is None else said.will_delay
        if delay <= 0:
            self._execute(session, now)
        else:
            session.will_due = now + delay
        self._wake(session)

    def expire(self, now: float) -> None:
        """End the sessions whose time is over, and publish the wills that are due."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            _, _, session = heapq.heappop(deadlines)
            session.wakes = None
            if session.will_due is not None and session.will_due <= now:
                self._execute(session, now)
            if session.ends is not None and session.ends <= now:
                self._end(session, now)
            self._wake(session)

    def _wake(self, session: Session) -> None:
        """Have ``expire`` look at a session when something of it is due."""
        due = [when for when in (session.ends, session.will_due) if when is not None]
        if due and (session.wakes is None or min(due) < session.wakes):
            self._count += 1
            session.wakes = min(due)
            heapq.heappush(self._deadlines, (session.wakes, self._count, session))

    def _end(self, session: Session, now: float) -> None:
        session.ends = session.queue = None  # a deadline may hold the session for an hour yet
        session.unacked.clear()
        del self.sessions[session.client_id]
        self.subscriptions.drop(session)
        for name in self._shared.pop(session, {}):
            self._leave(name, session)
        self._execute(session, now)

    def _execute(self, session: Session, now: float) -> None:
        will, session.will, session.will_due = session.will, None, None
        if will is not None:
            message = Message.of(
                will.topic, will.payload, will.qos, will.retain, will.properties, now
            )
            self.publish(message, now, session)

    # ----------------------------------------------------------------------- messages

    def has_room(self, message: Message) -> bool:
        """Whether a message can be retained, if it asks for that."""
        if not message.retain or not message.payload or message.topic in self.retained:
            return True
        return len(self.retained) < self.max_retained

    def publish(self, message: Message, now: float, origin: Session | None = None) -> None:
        """Retain a message if it asks for that, and hand it to all who subscribed.

        One that there is no room to retain is throttled: nobody gets it (DG:mqtt).
        """
        if message.retain:
            if not self.has_room(message):
                return
            if message.payload:
                self.retained[message.topic] = message
            else:
                self.retained.pop(message.topic, None)
        for subscriber, options in self.subscriptions.match(message.topic).items():
            subscriber.take(message, options, origin)

    # ----------------------------------------------------------------------- subscriptions

    def count(self, session: Session) -> int:
        """How many subscriptions a client has."""
        return len(self.subscriptions.of(session)) + len(self._shared.get(session, ()))

    def subscribed(self, session: Session, name: str) -> bool:
        """Whether a client has exactly this filter."""
        return name in self.subscriptions.of(session) or name in self._shared.get(session, ())

    def has_place(self, name: str) -> bool:
        """Whether a shared subscription may have one more member; others may always."""
        if not name.startswith(SHARE):
            return True
        group = self._groups.get(name)
        if group is None:
            return len(self._groups) < MAX_GROUPS
        return len(group.members) < MAX_MEMBERS

    def subscribe(self, session: Session, name: str, options: int, now: float) -> Message | None:
        """Add or replace a subscription; returns the retained message that it is to be sent."""
        if name.startswith(SHARE):
            group = self._groups.setdefault(name, Group())
            group.members[session] = options
            self._shared.setdefault(session, {})[name] = None
            self.subscriptions.subscribe(name.split("/", 2)[2], group, QOS_ANY)
            group.joined(session, now)
            return None
        new = name not in self.subscriptions.of(session)
        self.subscriptions.subscribe(name, session, options)
        if options & RETAIN_NEVER or (options & RETAIN_IF_NEW and not new):
            return None
        message = self.retained.get(name)
        if message is not None and message.expired(now):
            del self.retained[name]
            return None
        return message

    def unsubscribe(self, session: Session, name: str) -> bool:
        """Forget a subscription; returns whether there was one."""
        if not name.startswith(SHARE):
            return self.subscriptions.unsubscribe(name, session)
        shared = self._shared.get(session, {})
        if name not in shared:
            return False
        del shared[name]
        if not shared:
            del self._shared[session]
        self._leave(name, session)
        return True

    def _leave(self, name: str, session: Session) -> None:
        group = self._groups[name]
        del group.members[session]
        if not group.members:
            del self._groups[name]
            self.subscriptions.drop(group)
