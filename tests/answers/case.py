"""A wrong (or unusual) request, and what is compared of its answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message, MessageStruct
from barnabas.protocol.schema import Struct

STRANGER = uuid.UUID(int=77)
"""A topic id that nobody has."""

PLAIN = "answers-plain"
"""Three partitions with one replica each, all on broker 1."""
DOTTED = "answers.dotted"
"""One partition; no topic ``answers_dotted`` may be made beside it."""
COMPACTED = "answers-compacted"
"""As the plain one, with cleanup.policy=compact."""
WIDE = "answers-wide"
"""Where there are three brokers: three partitions with a replica on each of them."""
DOOMED = ("answers-doomed-1", "answers-doomed-2", "answers-doomed-3", "answers-doomed-4")
"""One partition each, for cases that delete."""
MISSING = "answers-missing"
"""A topic that does not exist."""
GROUP = "answers-group"
"""A group with one member, reading ``PLAIN``; broker 1 coordinates it where there is one broker."""


@dataclass
class Known:
    """What a run learns about the cluster, for requests that need it."""

    brokers: int
    controller: int = 1
    coordinator: int = 1
    """Of ``GROUP``."""
    transactions: int = 1
    """The coordinator of the transactional id ``answers-t``."""
    member_id: str = ""
    producer_id: int = -1
    topic_ids: dict[str, uuid.UUID] = field(default_factory=dict)


Ask = Message | Callable[[Known], Message]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One request. ``to`` is ``controller``, ``coordinator`` (of ``GROUP``), ``transactions`` (the
    coordinator of ``answers-t``), ``other`` (not the controller), ``bystander``
    (not the coordinator) or the
    id of a broker. ``brokers`` limits it to clusters of that size."""

    api: ApiKey
    what: str
    message: Ask
    version: int
    to: str | int = "controller"
    brokers: int | None = None

    @property
    def name(self) -> str:
        """The case's key in the golden file, where it stands once."""
        where = f" (at broker {self.to})" if isinstance(self.to, int) and self.to != 1 else ""
        return f"{API_TABLE[self.api].name} v{self.version}: {self.what}{where}"


def case(
    api: ApiKey,
    what: str,
    message: Ask,
    *,
    version: int | None = None,
    to: str | int = "controller",
    brokers: int | None = None,
) -> Case:
    """A case in the highest version, unless told otherwise."""
    if version is None:
        version = API_TABLE[api].max_version
    return Case(api=api, what=what, message=message, version=version, to=to, brokers=brokers)


class Asker(Protocol):
    """Sends requests to the brokers of one cluster."""

    async def connection(self, broker: int = 1) -> KafkaConnection:
        """A connection to a broker."""
        ...

    async def ask(
        self, api: ApiKey, version: int, message: Message | None = None, *, broker: int = 1
    ) -> Any:
        """The decoded answer. Raises ConnectionError if the broker closes the connection."""
        ...


_DROPPED = {"throttle_time", "total_bytes", "usable_bytes", "cluster_id", "log_dir", "rack"}
_VOLATILE = {"port": "PORT", "host": "HOST", "node_id": "BROKER", "controller_id": "BROKER"}
_UNORDERED = {
    "replica_election_results",
    "configs",
    "topics",
    "responses",
    "results",
    "groups",
    "partitions",
    "brokers",
}


def plain(value: Any, struct: Struct | None) -> Any:
    """An answer as JSON, with the fields that its version has, without what differs from run to
    run."""
    if isinstance(value, MessageStruct):
        assert struct is not None
        return {
            field.name: _stable(field.name, plain(getattr(value, field.name), field.struct))
            for field in struct.fields
            if field.name not in _DROPPED
        }
    if isinstance(value, list | tuple):
        return [plain(item, struct) for item in value]
    if isinstance(value, uuid.UUID):
        return "STRANGER" if value == STRANGER else "ID"
    if isinstance(value, bytes):
        return value.hex()
    return value


def _stable(name: str, value: Any) -> Any:
    if name in _VOLATILE and value not in ("", -1):
        return _VOLATILE[name]
    if name in ("member_id", "leader") and isinstance(value, str) and len(value) > 36:
        return "MEMBER"
    if name == "producer_id" and isinstance(value, int) and 0 <= value < 10**9:
        return "PRODUCER"
    if name == "configs" and isinstance(value, list):
        return "CONFIGS" if value else value
    if name in _UNORDERED and isinstance(value, list):  # a hash table's order in the original
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def summary(answer: Any) -> list[str]:
    """The codes and texts of an answer, each with what it is about."""
    if isinstance(answer, str):
        return [answer]
    found: list[str] = []
    _walk(answer, "", found)
    return found or ["no error field"]


def _walk(value: Any, label: str, found: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(item, label, found)
    if not isinstance(value, dict):
        return
    code = next((value[k] for k in value if k.endswith("error_code")), None)
    if code is not None:
        text = next((value[k] for k in value if k.endswith("error_message")), None)
        found.append(f"{label}{code}" + ("" if text is None else f" {text!r}"))
    for name, item in value.items():
        if isinstance(item, list | dict):
            _walk(item, f"{name} ", found)
