"""The append-only record of one connection: the waist of the hourglass. Below it code appends, above it code only reads."""

from __future__ import annotations

from typing import Any, TypeVar

from inspector.trace import events as ev
from inspector.trace.phase import Phase
from inspector.wire import events as wire
from inspector.wire.events import Side

E = TypeVar("E")


class Transcript:
    """What happened on one connection, in order. ``plan`` is what was tried (None for a capture).

    ``started`` is the wall-clock time of the event time 0.0, seconds since the epoch (0.0 where event times are epoch already).
    """

    def __init__(self, plan: Any = None, *, started: float = 0.0) -> None:
        self.plan = plan
        self.started = started
        self._events: list[ev.Event] = []
        # phase in which each event was appended, by index: alerts need it
        self._phases: list[Phase] = []
        self._phase = Phase.RESOLVE
        # the same events by their type: judgements ask for them again and again
        self._by_kind: dict[type, list[Any]] = {}
        self._tuple: tuple[ev.Event, ...] | None = None
        self._listed: tuple[ev.Event, ...] | None = None

    def append(self, event: ev.Event) -> None:
        kind = type(event)
        if kind is ev.PhaseEntered:
            self._phase = event.phase  # type: ignore[union-attr]
        self._events.append(event)
        self._phases.append(self._phase)
        known = self._by_kind.get(kind)
        if known is None:
            self._by_kind[kind] = [event]
        else:
            known.append(event)
        self._tuple = self._listed = None

    @property
    def events(self) -> tuple[ev.Event, ...]:
        if self._tuple is None:
            self._tuple = tuple(self._events)
        return self._tuple

    @property
    def phase(self) -> Phase:
        """The phase that was entered last."""
        return self._phase

    def all(self, kind: type[E]) -> list[E]:
        """All events of one type, in order."""
        return list(self._by_kind.get(kind, ()))

    def first(self, kind: type[E]) -> E | None:
        found = self._by_kind.get(kind)
        return found[0] if found else None

    def last(self, kind: type[E]) -> E | None:
        found = self._by_kind.get(kind)
        return found[-1] if found else None

    @property
    def listed(self) -> tuple[ev.Event, ...]:
        """What a report lists as handshake messages, in order: messages, ChangeCipherSpec, handshake records that could not be
        opened. An event's position here is its ``index`` in ``handshake.messages``, which evidence refers to.
        """
        if self._listed is None:
            self._listed = tuple(
                event for event in self._events
                if isinstance(event, (wire.Message, wire.ChangeCipherSpec))
                or (isinstance(event, wire.OpaqueRecord) and event.handshake)
            )
        return self._listed

    def phase_of(self, event: ev.Event) -> Phase:
        """The phase in which this very event was appended."""
        for seen, phase in zip(self._events, self._phases, strict=True):
            if seen is event:
                return phase
        raise ValueError("the event is not of this transcript")

    def messages(self, type_: int | None = None, side: Side | None = None) -> list[wire.Message]:
        """Handshake messages, all or of one type or side, in wire order."""
        return [
            m for m in self._by_kind.get(wire.Message, ())
            if (type_ is None or m.type == type_) and (side is None or m.side is side)
        ]
