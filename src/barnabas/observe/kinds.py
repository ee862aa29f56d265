"""Which notes of an observer become events, and the texts of these events. Pure.

Each row has the kind, its level and its text. Kinds that clients cause have a table of their own.
``docs/events.md`` is the same table for readers; ``tests/observe/test_kinds.py`` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from barnabas.observe.events import Level
from barnabas.types import NO_LEADER

Fields: TypeAlias = Mapping[str, Any]

NO_BROKER: Final = -1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event."""

    name: str
    level: Level
    text: Callable[[Fields], str]
    """Makes the text from the fields of the note."""
    by_clients: bool = False
    """Whether clients cause such events, and so can cause any number of them. These are kept apart,
    so that they drive out no others, and only some of each second are kept."""


def _template(template: str) -> Callable[[Fields], str]:
    return lambda fields: template.format_map(fields)


def _partition(fields: Fields) -> str:
    return f"{fields['topic']}-{fields['partition']}"


def _members(members: object) -> str:
    return f"[{', '.join(map(str, members))}]" if isinstance(members, list | tuple) else "[]"


def _names(members: object) -> str:
    return ", ".join(map(str, members)) if isinstance(members, list | tuple) else ""


def _leader_elected(fields: Fields) -> str:
    was, leader = fields.get("was"), fields["leader"]
    moved = f"leader {leader}" if was in (None, NO_LEADER) else f"leader {was} -> {leader}"
    if was == leader:
        moved = f"leader {leader} again"
    text = f"{_partition(fields)}: {moved}, epoch {fields['epoch']}, ISR {_members(fields['isr'])}"
    if fields.get("strategy"):
        text += f" ({fields['strategy']})"
    if fields["unclean"]:
        text += ", unclean: records may be lost"
    over = fields.get("passed_over")
    if isinstance(over, Mapping) and over:
        text += "; passed over: " + ", ".join(f"{who} ({why})" for who, why in over.items())
    return text


def left(fields: Fields) -> list[int]:
    """The brokers that left the ISR."""
    now = fields["isr"]
    return [member for member in fields.get("isr_before") or () if member not in now]


def joined(fields: Fields) -> list[int]:
    """The brokers that joined the ISR."""
    before = fields.get("isr_before") or ()
    return [member for member in fields["isr"] if member not in before]


def _isr_changed(fields: Fields) -> str:
    text = f"{_partition(fields)}: ISR {_members(fields.get('isr_before'))}"
    text += f" -> {_members(fields['isr'])}"
    if gone := left(fields):
        text += f", without {_names(gone)}"
    if come := joined(fields):
        text += f", with {_names(come)}"
    return text + (f": {fields['reason']}" if fields.get("reason") else "")


def _behind(fields: Fields) -> str:
    text = f"{_partition(fields)}: the leader proposes ISR {_members(fields['isr'])}"
    behind = fields.get("behind")
    if isinstance(behind, Mapping) and behind:
        who = (f"{replica} is {ms} ms behind" for replica, ms in behind.items())
        text += f": {', '.join(who)}"
    return text


def _offline(fields: Fields) -> str:
    return (
        f"{_partition(fields)} has no leader: {fields['reason']}; ISR {_members(fields.get('isr'))}"
    )


def _session(what: str) -> Callable[[Fields], str]:
    def text(fields: Fields) -> str:
        session = fields["session"]
        name = f"{session:#x}" if isinstance(session, int) else session
        why = f": {fields['why']}" if fields.get("why") else ""
        return f"ZooKeeper session {name} {what}{why}"

    return text


def _began(fields: Fields) -> str:
    text = f"{_partition(fields)} moves to {_members(fields['replicas'])}"
    if fields.get("adding"):
        text += f", adding {_names(fields['adding'])}"
    if fields.get("removing"):
        text += f", removing {_names(fields['removing'])}"
    return text


def _deposed(fields: Fields) -> str:
    return (
        f"{_partition(fields)}: broker {fields['leader']} leads in epoch {fields['new_epoch']},"
        f" which no controller has told broker {fields['broker']}"
    )


def _truncated(fields: Fields) -> str:
    return (
        f"{_partition(fields)}: log cut from {fields['log_end']} to {fields['offset']}"
        f" ({fields['reason']})"
    )


def _group(fields: Fields) -> str:
    number = fields.get("generation", fields.get("epoch"))
    return (
        f"group {fields['group']}: {fields['state']}, generation {number},"
        f" {fields['members']} members"
    )


def _over_quota(fields: Fields) -> str:
    who = f"{fields['principal']} (client {fields['client_id']}) from {fields['peer']}"
    return f"{who} is over a quota and waits {fields['wait_ms']} ms"


def _login_failed(fields: Fields) -> str:
    return f"login from {fields['peer']} on {fields['listener']} failed: {fields['why']}"


_ROWS: Final = (
    # Controllers
    ("controller_elected", "info", "broker {broker} is controller, epoch {epoch}"),
    ("controller_ready", "info", "controller {broker} has taken over"),
    ("controller_resigned", "warning", "controller {broker} of epoch {epoch} resigned: {reason}"),
    ("controller_event_failed", "error", "controller: {event} failed: {reason}"),
    # Brokers
    ("broker_registered", "info", "broker {broker} registered, epoch {epoch}"),
    ("registration_waiting", "warning", "broker {broker} waits for its old registration to go"),
    ("broker_up", "info", "broker {broker} is live, epoch {epoch} ({reason})"),
    ("broker_shutting_down", "info", "broker {broker} shuts down"),
    ("broker_down", "warning", "broker {broker} is gone: {reason}"),
    # Leaders and copies
    ("leader_elected", "info", _leader_elected),
    ("isr_shrank", "warning", _isr_changed),
    ("isr_expanded", "info", _isr_changed),
    ("isr_shrink_proposed", "info", _behind),
    ("leader_deposed", "warning", _deposed),
    ("partition_offline", "error", _offline),
    ("truncated", "info", _truncated),
    ("log_directory_failed", "error", "broker {broker}: {partitions} replicas on failed disks"),
    ("log_dir_failed", "error", "log directory {path} failed: {error}"),
    ("log_uncleanable", "error", "{path} cannot be cleaned: {reason}"),
    # Topics
    ("topic_created", "info", "topic {topic} created, {partitions} partitions"),
    ("partitions_added", "info", "topic {topic}: partitions {partitions} added"),
    ("topic_deleted", "info", "topic {topic} deleted"),
    ("reassignment_began", "info", _began),
    ("reassignment_phase", "info", "{topic}-{partition}: reassignment, {phase}"),
    ("reassignment_done", "info", "{topic}-{partition} is on {replicas}"),
    ("reassignment_refused", "warning", "{topic}-{partition}: reassignment refused: {reason}"),
    # Sessions
    ("session_created", "info", _session("created")),
    ("session_connected", "info", _session("connected")),
    ("session_disconnected", "warning", _session("lost its connection")),
    ("session_expired", "warning", _session("expired")),
    ("session_closed", "info", _session("closed")),
    ("coordinator_was_stopped", "warning", "the coordinator stood still for {ms} ms"),
    # Faults
    ("handler_failed", "error", "an internal error in {api}: {error}"),
)
_BY_CLIENTS: Final = (
    ("group_rebalanced", "info", _group),
    ("transaction_fenced", "warning", "{id}: producer {producer_id} fenced, epoch now {epoch}"),
    ("quota_violated", "warning", _over_quota),
    ("authentication_failed", "warning", _login_failed),
    ("connection_closed", "warning", "connection closed: {why}"),
)


def _kinds() -> Mapping[str, Kind]:
    found: dict[str, Kind] = {}
    for rows, by_clients in ((_ROWS, False), (_BY_CLIENTS, True)):
        for name, level, text in rows:
            say = _template(text) if isinstance(text, str) else text
            found[name] = Kind(name, level, say, by_clients)  # type: ignore[arg-type]
    return MappingProxyType(found)


KINDS: Final = _kinds()
_OTHER_NAMES: Final = MappingProxyType(
    {
        "session_began": "session_created",
        "zookeeper_session_connected": "session_connected",
        "zookeeper_session_disconnected": "session_disconnected",
        "zookeeper_session_expired": "session_expired",
        "zookeeper_session_closed": "session_closed",
        "group_state": "group_rebalanced",
        "consumer_group_state": "group_rebalanced",
        "connection_cut_off": "connection_closed",
        "request_refused": "connection_closed",
    }
)
"""The kinds of notes whose events have another name."""


def kind_of(note: str, fields: Fields) -> Kind | None:
    """The kind of event that a note becomes; None if it becomes none."""
    if note == "isr_changed":
        if "isr_before" not in fields:
            return None  # the leader has only learned what the controller has already noted
        return KINDS["isr_shrank" if left(fields) else "isr_expanded"]
    return KINDS.get(_OTHER_NAMES.get(note, note))


def level_of(kind: Kind, fields: Fields) -> Level:
    """The level of the kind, except that an unclean election has a higher one."""
    if kind.name == "leader_elected" and fields["unclean"]:
        return "error"
    return kind.level


def subject_of(kind: Kind, fields: Fields) -> int | None:
    """The broker that an event is about."""
    broker = fields.get("leader" if kind.name == "leader_elected" else "broker")
    return broker if isinstance(broker, int) and broker != NO_BROKER else None
