"""CheckpointFile, MetaPropertiesEnsemble: the small text files of a log directory.

Formats: reference 6.1 and 14. Codecs are pure; ``write_atomically`` goes through the seam. A file
that does not follow its format raises ``CheckpointError``, which is an ``OSError``: a caller that
needs the file treats it as a failure of the directory.
"""

from __future__ import annotations

import json
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from barnabas.names import is_partition_of_topic, is_topic, number_in
from barnabas.seams import Files
from barnabas.storage.epochs import EpochEntry
from barnabas.types import Buffer, TopicPartition, parse_topic_id, topic_id_text

META_PROPERTIES = "meta.properties"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
RECOVERY_POINT_CHECKPOINT = "recovery-point-offset-checkpoint"
LOG_START_CHECKPOINT = "log-start-offset-checkpoint"
REPLICATION_CHECKPOINT = "replication-offset-checkpoint"
CLEANER_CHECKPOINT = "cleaner-offset-checkpoint"
EPOCH_CHECKPOINT = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"

_VERSION = "0"
OFFSET_MAX = 2**63 - 1
OFFSET_DIGITS_MAX = 19


class CheckpointError(OSError):
    """One of these files does not follow its format."""


def write_atomically(files: Files, path: str, data: Buffer) -> None:
    """Replace ``path`` by ``data`` so that after a crash one of the two is there, whole."""
    temporary = path + ".tmp"
    file = files.open(temporary, create=True)
    try:
        file.truncate(0)
        file.append([data])
        file.fsync_blocking()
    finally:
        file.close()
    files.rename(temporary, path)
    files.sync_directory(posixpath.dirname(path))


def encode_offsets(offsets: Mapping[TopicPartition, int]) -> bytes:
    """An offset checkpoint: one line ``topic partition offset`` for each, in the order given."""
    lines = [f"{p.topic} {p.partition} {offset}" for p, offset in offsets.items()]
    return _encode(lines)


def decode_offsets(data: bytes, bad: list[str] | None = None) -> dict[TopicPartition, int]:
    """The entries of an offset checkpoint; an empty file has none. Lines that name no partition or
    no offset are added to ``bad``; without it they are a CheckpointError."""
    offsets: dict[TopicPartition, int] = {}
    topics: dict[str, str | None] = {}
    for line in _lines(data):
        entry = _offset_entry(line, topics)
        if entry is not None:
            offsets[entry[0]] = entry[1]
        elif bad is not None:
            bad.append(line)
        else:
            raise CheckpointError(f"checkpoint line {line!r}")
    return offsets


def _offset_entry(line: str, topics: dict[str, str | None]) -> tuple[TopicPartition, int] | None:
    """``topics``: those of lines before, each with itself if its name is legal, so that it is
    checked once and kept once."""
    fields = line.split()
    if len(fields) != 3:
        return None
    name, number, digits = fields[0], number_in(fields[1]), fields[2]
    if name not in topics:
        topics[name] = name if is_topic(name) else None
    topic = topics[name]
    if topic is None or number is None:
        return None
    partition = TopicPartition(topic, number)
    if not is_partition_of_topic(partition):
        return None
    if not digits.isascii() or not digits.isdigit() or len(digits) > OFFSET_DIGITS_MAX:
        return None
    offset = int(digits)
    return (partition, offset) if offset <= OFFSET_MAX else None


def encode_epochs(entries: Iterable[EpochEntry]) -> bytes:
    """A ``leader-epoch-checkpoint``: one line ``epoch startOffset`` for each."""
    return _encode([f"{entry.epoch} {entry.start_offset}" for entry in entries])


def decode_epochs(data: bytes) -> list[EpochEntry]:
    """The entries of a ``leader-epoch-checkpoint``; an empty file (a new log's) has none. It is
    written without a sync: the last number of one that was cut short would be another number."""
    if data and not data.endswith(b"\n"):
        raise CheckpointError("leader-epoch-checkpoint is cut short")
    return [EpochEntry(_number(epoch), _number(start)) for epoch, start in _decode(data, 2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaProperties:
    """Whose log directory this is."""

    broker_id: int | None = None
    cluster_id: str | None = None
    version: int = 0
    others: Mapping[str, str] = field(default_factory=dict)
    """Lines that we do not use (``directory.id``, ``node.id``), kept when the file is rewritten."""


def encode_meta_properties(meta: MetaProperties, date: str) -> bytes:
    """The file as Java's Properties writes it; ``date`` is the text of its second line, such as
    ``Mon Nov 23 00:54:42 UTC 2026``."""
    lines = ["#", f"#{date}"]
    if meta.broker_id is not None:
        lines.append(f"broker.id={meta.broker_id}")
    lines.append(f"version={meta.version}")
    if meta.cluster_id is not None:
        lines.append(f"cluster.id={_escape(meta.cluster_id)}")
    lines += [f"{key}={_escape(value)}" for key, value in meta.others.items()]
    return ("\n".join(lines) + "\n").encode("latin-1", "backslashreplace")


def decode_meta_properties(data: bytes) -> MetaProperties:
    """Read ``meta.properties``, its lines in any order."""
    values = dict(_properties(data.decode("latin-1")))
    version = values.pop("version", None)
    if version is None:
        raise CheckpointError("meta.properties has no version")
    broker_id = values.pop("broker.id", None)
    return MetaProperties(
        version=_number(version),
        broker_id=None if broker_id is None else _number(broker_id),
        cluster_id=values.pop("cluster.id", None),
        others=values,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionMetadata:
    """The topic that a partition belongs to. A new topic of the same name has a new id."""

    topic_id: uuid.UUID
    version: int = 0


def encode_partition_metadata(metadata: PartitionMetadata) -> bytes:
    """The file ``partition.metadata``; without a final newline, like the original."""
    text = f"version: {metadata.version}\ntopic_id: {topic_id_text(metadata.topic_id)}"
    return text.encode()


def decode_partition_metadata(data: bytes) -> PartitionMetadata:
    """Read ``partition.metadata``; refuses a zero topic id."""
    values: dict[str, str] = {}
    for line in _text(data).splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            raise CheckpointError(f"partition.metadata: {line!r}")
        values[name.strip()] = value.strip()
    if values.get("version") not in ("0", "1"):
        raise CheckpointError(f"partition.metadata has version {values.get('version')!r}")
    try:
        topic_id = parse_topic_id(values.get("topic_id", ""))
    except ValueError:
        raise CheckpointError("partition.metadata has no usable topic_id") from None
    if not topic_id.int:
        raise CheckpointError("partition.metadata has the zero topic_id")
    return PartitionMetadata(topic_id=topic_id, version=int(values["version"]))


def encode_clean_shutdown(broker_epoch: int = -1) -> bytes:
    """The file ``.kafka_cleanshutdown``: its existence is the message."""
    return f'{{"version":0,"brokerEpoch":{broker_epoch}}}'.encode()


def decode_clean_shutdown(data: bytes) -> int:
    """The broker epoch in a clean marker; -1 if it cannot be read: the marker counts anyway."""
    try:
        epoch = json.loads(data)["brokerEpoch"]
    except (ValueError, KeyError, TypeError):
        return -1
    return epoch if isinstance(epoch, int) else -1


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in (_VERSION, str(len(lines)), *lines)).encode()


def _lines(data: bytes) -> list[str]:
    """What follows the version and the count."""
    if not data:
        return []
    # Java's end of a line, not Python's: a line may hold whatever a broken writer put there.
    lines = _text(data).replace("\r\n", "\n").removesuffix("\n").split("\n")
    if lines[0] != _VERSION:
        raise CheckpointError(f"checkpoint of version {lines[0]!r}")
    if len(lines) < 2 or _number(lines[1]) != len(lines) - 2:
        raise CheckpointError(f"checkpoint of {len(lines)} lines contradicts its own count")
    return lines[2:]


def _decode(data: bytes, columns: int) -> Iterator[list[str]]:
    for line in _lines(data):
        fields = line.split()
        if len(fields) != columns:
            raise CheckpointError(f"checkpoint line {line!r}")
        yield fields


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise CheckpointError("checkpoint is not text") from None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise CheckpointError(f"checkpoint has {text!r} where a number belongs") from None


def _properties(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        stripped = line.lstrip()
        if not stripped or stripped[0] in "#!":
            continue
        name, separator, value = stripped.partition("=")
        if not separator:
            raise CheckpointError(f"meta.properties: {line!r}")
        yield name.rstrip(), value.lstrip().replace("\\", "")


def _escape(value: str) -> str:
    return "".join("\\" + c if c in "\\=:#!" else c for c in value)
