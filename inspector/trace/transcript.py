"""The append-only record of one connection: the waist of the hourglass. Below it code appends, above it code only reads."""

from __future__ import annotations

from typing import Any, TypeVar

from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.wire import events as wire
from inspector.wire.events import Side

E = TypeVar("E")
_NONE: list[Any] = []


class Transcript:
    """What happened on one connection, in order. ``plan`` is what was tried (None for a capture).

    ``started`` is the wall-clock time of the event time 0.0, seconds since the epoch (0.0 where event times are epoch already).
    """

    def __init__(self, plan: Any = None, *, started: float = 0.0) -> None:
        self.plan = plan
        self.started = started
        self.phase = Phase.RESOLVE  # the one that was entered last
        self._events: list[ev.Event] = []
        # the same events by their type, so far as somebody asked: judgements ask for them again and again
        self._by_kind: dict[type, list[Any]] = {}
        self._sorted = 0
        self._tuple: tuple[ev.Event, ...] = ()
        self._listed: tuple[int, tuple[ev.Event, ...]] = (0, ())

    def append(self, event: ev.Event) -> None:
        if type(event) is ev.PhaseEntered:
            self.phase = event.phase
        self._events.append(event)

    @property
    def events(self) -> tuple[ev.Event, ...]:
        if len(self._tuple) != len(self._events):
            self._tuple = tuple(self._events)
        return self._tuple

    def _of_kind(self, kind: type) -> list[Any]:
        if self._sorted < len(self._events):
            by_kind = self._by_kind
            for event in self._events[self._sorted:]:
                known = by_kind.get(type(event))
                if known is None:
                    by_kind[type(event)] = [event]
                else:
                    known.append(event)
            self._sorted = len(self._events)
        return self._by_kind.get(kind, _NONE)

    def all(self, kind: type[E]) -> list[E]:
        """All events of one type, in order."""
        return list(self._of_kind(kind))

    def first(self, kind: type[E]) -> E | None:
        found = self._of_kind(kind)
        return found[0] if found else None

    def last(self, kind: type[E]) -> E | None:
        found = self._of_kind(kind)
        return found[-1] if found else None

    @property
    def listed(self) -> tuple[ev.Event, ...]:
        """What a report lists as handshake messages, in order: messages, ChangeCipherSpec, handshake records that could not be
        opened. An event's position here is its ``index`` in ``handshake.messages``, which evidence refers to.
        """
        if self._listed[0] != len(self._events):
            self._listed = len(self._events), tuple(
                event for event in self._events
                if isinstance(event, (wire.Message, wire.ChangeCipherSpec))
                or (isinstance(event, wire.OpaqueRecord) and event.handshake)
            )
        return self._listed[1]

    def phase_of(self, event: ev.Event) -> Phase:
        """The phase in which this very event was appended."""
        phase = Phase.RESOLVE
        for seen in self._events:
            if type(seen) is ev.PhaseEntered:
                phase = seen.phase
            if seen is event:
                return phase
        raise ValueError("the event is not of this transcript")

    def messages(self, type_: int | None = None, side: Side | None = None) -> list[wire.Message]:
        """Handshake messages, all or of one type or side, in wire order."""
        return [
            m for m in self._of_kind(wire.Message)
            if (type_ is None or m.type == type_) and (side is None or m.side is side)
        ]
