"""What brokers tell of themselves (``docs/events.md``), beside what znodes show. Pure.

Znodes show that a leader has changed; its controller knows why. So an event of the console's own is
given the reason that a broker tells, and what no znode shows is an event of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from barnabas.console import timeline
from barnabas.console.timeline import Event
from barnabas.observe import events as observed

SEEN_IN_ZNODES: Final = frozenset(
    {
        "broker_down",
        "broker_registered",
        "broker_up",
        "controller_elected",
        "isr_expanded",
        "isr_shrank",
        "leader_elected",
        "partition_offline",
        "partitions_added",
        "reassignment_began",
        "reassignment_done",
        "reassignment_phase",
        "topic_created",
        "topic_deleted",
    }
)
EVERYDAY: Final = frozenset({"session_created", "session_connected", "session_closed"})
"""Of no use to who reads a timeline."""
TWICE: Final = frozenset({"broker_up", "reassignment_phase"})
"""What another event says as well."""
REFUSED: Final = "connection refused"
"""The reason of a controller that did not wait for the end of a session."""
_WORDS: Final = ("broker", "controller", "group", "topic", "session", "log", "transaction")
"""With which brokers' texts begin."""
_STRATEGIES: Final = {
    "offline": timeline.OFFLINE,
    "preferred": timeline.PREFERRED,
    "reassign": timeline.REASSIGN,
    "controlled shutdown": timeline.CONTROLLED_SHUTDOWN,
}


def own_event(told: observed.Event) -> Event | None:
    """What a broker has told, as an event of the console; None if nobody asks for it."""
    if told.kind in EVERYDAY or told.kind in TWICE or _cut_nothing(told):
        return None
    return shown(told)


def shown(told: observed.Event) -> Event:
    """Any event in the form of the console's."""
    reason = told.fields.get("reason") or told.fields.get("why") or ""
    strategy = told.fields.get("strategy", "")
    return Event(
        time_ms=told.time_ms,
        kind=told.kind,
        text=_capital(told.text),
        why=_sentence(str(reason)) if str(reason) not in told.text else "",
        strategy=_STRATEGIES.get(str(strategy), ""),
        broker=told.broker,
        topic=told.topic,
        partition=told.partition,
        fields={**told.fields, "source": told.source},
    )


def _cut_nothing(told: observed.Event) -> bool:
    """A follower goes through a truncation also where its log is as long as it should be."""
    fields = told.fields
    return told.kind == "truncated" and fields.get("offset") == fields.get("log_end")


def refined(event: Event, told: observed.Event) -> Event:
    """The console's own event with what a broker knows better: when it was, and why."""
    fields: Mapping[str, Any] = told.fields
    reason = _sentence(str(fields.get("reason") or ""))
    if event.kind == "broker_down":
        refuses = fields.get("reason") == REFUSED
        why = f"The controller saw that it refuses connections. {event.why}"
        time_ms = min(event.time_ms, told.time_ms)
        return replace(event, time_ms=time_ms, why=why if refuses else event.why)
    if event.kind == "isr_shrank":
        return replace(event, why=reason or event.why, time_ms=told.time_ms)
    strategy = _STRATEGIES.get(str(fields.get("strategy")), event.strategy)
    over = fields.get("passed_over")
    passed = over if isinstance(over, Mapping) else {}
    others = {who: text for who, text in passed.items() if who != str(fields.get("was"))}
    why = event.why
    if strategy == timeline.OFFLINE and event.strategy != timeline.UNCLEAN:
        first = "the first in-sync replica that is there, in the order of assignment"
        why = f"{reason} Broker {event.broker} is {first}."
    elif strategy == timeline.CONTROLLED_SHUTDOWN:
        why = f"Broker {fields.get('was')} shuts down. Broker {event.broker} is in sync and stays."
    if event.strategy == timeline.UNCLEAN:
        strategy = timeline.UNCLEAN
    elif why != event.why:
        why += "".join(f" Broker {who} was passed over: {text}." for who, text in others.items())
    return replace(
        event,
        strategy=strategy,
        why=why.strip(),
        time_ms=told.time_ms,
        fields={**event.fields, "passed_over": others, "source": told.source},
    )


def _capital(text: str) -> str:
    """A name at the beginning stays as it is."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first in _WORDS else text


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
