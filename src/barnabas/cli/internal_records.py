"""DumpLogSegments, decoders of records of ``__consumer_offsets`` and ``__transaction_state``: keys
and values as plain values. Pure."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Final

from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.group.records.consumer_group import decode_consumer_value
from barnabas.coordinator.group.records.group_metadata import (
    GroupKey,
    OffsetKey,
    decode_group_value,
    decode_key,
    decode_offset_value,
)
from barnabas.coordinator.transaction import records as transactions
from barnabas.records.batch import Record
from barnabas.types import TopicPartition, topic_id_text

_KINDS: Final = {
    "OffsetKey": "offset_commit",
    "GroupKey": "group_metadata",
    "EpochKey": "consumer_group_epoch",
    "TopicsKey": "consumer_group_topics",
    "MemberKey": "consumer_group_member",
    "TargetEpochKey": "consumer_group_target_epoch",
    "TargetKey": "consumer_group_target",
    "CurrentKey": "consumer_group_current",
}
Decoder = Callable[[Record], tuple[object, object]]
"""The key and the value of a record. KafkaError if they do not follow their format."""


def decode_group_record(record: Record) -> tuple[object, object]:
    """A record of ``__consumer_offsets``; the key is None if its version is not known."""
    key = decode_key(record.key)
    if key is None:
        return None, plain(record.value)
    shown = {"type": _KINDS[type(key).__name__], **key._asdict()}
    shown.pop("version", None)
    if record.value is None:
        return shown, None
    if isinstance(key, OffsetKey):
        return shown, plain(decode_offset_value(record.value)._asdict())
    if isinstance(key, GroupKey):
        return shown, plain(decode_group_value(record.value))
    return shown, plain(decode_consumer_value(key, record.value))


def decode_transaction_record(record: Record) -> tuple[object, object]:
    """A record of ``__transaction_state``; the key is None if its version is not known."""
    name = transactions.decode_key(record.key)
    if name is None:
        return None, plain(record.value)
    key = {"type": "transaction", "transactional_id": name}
    if record.value is None:
        return key, None
    value = transactions.decode_value(record.value)
    return key, {**_fields(value), "state": value.state.label}


def decoder_for(path: str) -> Decoder | None:
    """The decoder for a segment's records, by the directory that it is in; None if the topic is
    not an internal one."""
    directory = os.path.basename(os.path.dirname(os.path.abspath(path)))
    found = re.fullmatch(r"(.+?)-\d+(\..*)?", directory)
    return DECODERS.get(found[1]) if found else None


DECODERS: Final[Mapping[str, Decoder]] = {
    OFFSETS_TOPIC: decode_group_record,
    transactions.TRANSACTION_TOPIC: decode_transaction_record,
}


def plain(value: Any) -> Any:
    """``value`` as JSON has it: bytes as text or hex, uuids as Kafka spells them."""
    if isinstance(value, TopicPartition):
        return str(value)
    if isinstance(value, uuid.UUID):
        return topic_id_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return shown_bytes(bytes(value))
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value


def _fields(value: Any) -> dict[str, Any]:
    return {name: plain(v) for name, v in asdict(value).items()}


def shown_bytes(data: bytes) -> str:
    """``data`` as text if it is UTF-8, else in hex."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"0x{data.hex()}"
