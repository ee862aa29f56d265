"""ZkData, bodies: UTF-8 JSON, byte for byte as Kafka 3.9 writes it. Pure.

Source: ``ZkData.scala``, reference 1.3, and the recorded trees (``tests/golden/znodes``). The order
of keys, and which numbers are strings, are those of the recordings (the order comes from Scala's
hash maps). Decoders accept older versions, missing optional keys and unknown keys. Anything else
raises ``MalformedZNode``, which names the path.

The ``_...Json`` structs have the form of the JSON; everything else here uses ``barnabas.types``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from barnabas.names import INT32_MAX, number_in
from barnabas.types import (
    LEADER_DURING_DELETE,
    Broker,
    Endpoint,
    LeaderAndIsr,
    TopicPartition,
    parse_topic_id,
    topic_id_text,
)
from barnabas.zookeeper.errors import MalformedZNode

PRODUCER_ID_BLOCK_SIZE: Final = 1000
SECURITY_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
PORT_MAX: Final = 65_535
TEXT_LENGTH_MAX: Final = 8192
"""The longest host name or listener name, in characters. Longer ones do not fit into requests."""
LOG_DIR_FAILURE: Final = 1
"""The only event of a log dir event znode."""

_T = TypeVar("_T")


def _decode(path: str, data: bytes | None, shape: type[_T]) -> _T:
    if not data:
        raise MalformedZNode(path, "is empty")
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedZNode(path, str(error)) from error


def _number(path: str, key: str, value: str | int) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise MalformedZNode(path, f"{key} is {value!r}, not a number") from error


# --- /controller and /controller_epoch ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerZNode:
    """The controller, and since when (wall time in ms, for information only)."""

    broker_id: int
    timestamp_ms: int = -1


class _ControllerJson(msgspec.Struct, kw_only=True):
    version: int = 2
    brokerid: int
    timestamp: str | int = "-1"
    kraft_controller_epoch: int = msgspec.field(default=-1, name="kraftControllerEpoch")


def encode_controller(znode: ControllerZNode) -> bytes:
    """``/controller``, v2."""
    return msgspec.json.encode(
        _ControllerJson(brokerid=znode.broker_id, timestamp=str(znode.timestamp_ms))
    )


def decode_controller(path: str, data: bytes | None) -> ControllerZNode:
    """``/controller``, v1 or v2."""
    json = _decode(path, data, _ControllerJson)
    return ControllerZNode(
        broker_id=json.brokerid, timestamp_ms=_number(path, "timestamp", json.timestamp)
    )


def encode_controller_epoch(epoch: int) -> bytes:
    """``/controller_epoch``: decimal text."""
    return str(epoch).encode()


def decode_controller_epoch(path: str, data: bytes | None) -> int:
    """``/controller_epoch``."""
    if not data:
        raise MalformedZNode(path, "is empty")
    return _number(path, "the epoch", data.decode("utf-8", "replace"))


# --- /brokers/ids/N -------------------------------------------------------------------------------


class _BrokerJson(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Keys that Kafka leaves out if they are unset have a default, so encoding leaves them out."""

    features: dict[str, dict[str, int]] | None = None
    listener_security_protocol_map: dict[str, str] | None = None
    endpoints: list[str] | None = None
    rack: str | None = None
    jmx_port: int
    port: int | str
    host: str | None
    version: int
    timestamp: str | int
    unclean_start: bool = False


class _AnyBrokerJson(msgspec.Struct, kw_only=True):
    listener_security_protocol_map: dict[str, str] | None = None
    endpoints: list[str] | None = None
    rack: str | None = None
    port: int = -1
    host: str | None = None
    version: int
    unclean_start: bool = False


def encode_broker(broker: Broker, timestamp_ms: int, jmx_port: int = -1) -> bytes:
    """``/brokers/ids/N``, v5. ``host`` and ``port`` are those of the first PLAINTEXT endpoint.

    ``unclean_start`` is Barnabas's own (KIP-966), and is only written if true. Kafka ignores
    unknown keys."""
    plain = next((e for e in broker.endpoints if e.security_protocol == "PLAINTEXT"), None)
    return msgspec.json.encode(
        _BrokerJson(
            features={},
            listener_security_protocol_map={
                e.listener: e.security_protocol for e in broker.endpoints
            },
            endpoints=[_endpoint_text(e) for e in broker.endpoints],
            rack=broker.rack,
            jmx_port=jmx_port,
            port=-1 if plain is None else plain.port,
            host=None if plain is None else plain.host,
            version=5,
            timestamp=str(timestamp_ms),
            unclean_start=broker.unclean_start,
        )
    )


def decode_broker(path: str, data: bytes | None, czxid: int) -> Broker:
    """``/brokers/ids/N``, v1 to v5; ``czxid`` of its Stat is the broker epoch."""
    json = _decode(path, data, _AnyBrokerJson)
    broker_id = number_in(path.rpartition("/")[2])
    if broker_id is None:
        raise MalformedZNode(path, "its name is not a broker id")
    if json.version < 1:
        raise MalformedZNode(path, f"has version {json.version}")
    if json.endpoints is None:
        if json.host is None:
            raise MalformedZNode(path, "has neither endpoints nor a host")
        endpoints = [_checked(path, Endpoint("PLAINTEXT", "PLAINTEXT", json.host, json.port))]
    else:
        protocols = json.listener_security_protocol_map
        endpoints = [_endpoint(path, text, protocols) for text in json.endpoints]
    return Broker(
        id=broker_id,
        epoch=czxid,
        endpoints=tuple(endpoints),
        rack=json.rack,
        unclean_start=json.unclean_start,
    )


def _endpoint_text(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{endpoint.listener}://{host}:{endpoint.port}"


def _endpoint(path: str, text: str, protocols: Mapping[str, str] | None) -> Endpoint:
    """``LISTENER://host:port``. Before v4 the scheme was the security protocol's name."""
    listener, scheme_end, address = text.partition("://")
    host, colon, port = address.rpartition(":")
    number = number_in(port)
    if not listener or not scheme_end or not colon or number is None:
        raise MalformedZNode(path, f"endpoint {text!r} is not LISTENER://host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    protocol = listener if protocols is None else protocols.get(listener)
    if protocol is None:
        raise MalformedZNode(path, f"listener {listener} has no security protocol")
    return _checked(path, Endpoint(listener, protocol, host, number))


def _checked(path: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint, if all its parts fit into requests and answers. Raises MalformedZNode."""
    if endpoint.security_protocol not in SECURITY_PROTOCOLS:
        raise MalformedZNode(path, f"security protocol {endpoint.security_protocol!r}")
    if not 0 <= endpoint.port <= PORT_MAX:
        raise MalformedZNode(path, f"port {endpoint.port}")
    if max(len(endpoint.host), len(endpoint.listener)) > TEXT_LENGTH_MAX:
        raise MalformedZNode(path, "names a host or a listener that is too long")
    return endpoint


# --- /brokers/topics/T ----------------------------------------------------------------------------

Replicas = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicZNode:
    """A topic's assignment: partition number to replicas, preferred leader first.

    During a reassignment ``partitions`` has the union of old and new replicas. ``adding`` and
    ``removing`` have only the partitions that move."""

    partitions: Mapping[int, Replicas]
    topic_id: uuid.UUID | None
    """None for a topic that an old controller created."""
    adding: Mapping[int, Replicas] = field(default_factory=dict)
    removing: Mapping[int, Replicas] = field(default_factory=dict)


class _TopicJson(msgspec.Struct, kw_only=True, omit_defaults=True):
    partitions: dict[int, Replicas]
    topic_id: str | None = None
    adding_replicas: dict[int, Replicas] | None = None
    removing_replicas: dict[int, Replicas] | None = None
    version: int


def encode_topic(znode: TopicZNode) -> bytes:
    """``/brokers/topics/T``, v3, partitions in numerical order."""
    return msgspec.json.encode(
        _TopicJson(
            partitions=_by_number(znode.partitions),
            topic_id=None if znode.topic_id is None else topic_id_text(znode.topic_id),
            adding_replicas=_by_number(znode.adding),
            removing_replicas=_by_number(znode.removing),
            version=3,
        )
    )


def decode_topic(path: str, data: bytes | None) -> TopicZNode:
    """``/brokers/topics/T``, v1 to v3."""
    json = _decode(path, data, _TopicJson)
    topic_id = None
    if json.topic_id is not None:
        try:
            topic_id = parse_topic_id(json.topic_id)
        except ValueError as error:
            raise MalformedZNode(path, f"topic_id {json.topic_id!r}: {error}") from error
    return TopicZNode(
        partitions=_by_number(json.partitions),
        topic_id=topic_id,
        adding=_by_number(json.adding_replicas or {}),
        removing=_by_number(json.removing_replicas or {}),
    )


def _by_number(replicas: Mapping[int, Replicas]) -> dict[int, Replicas]:
    return {number: tuple(replicas[number]) for number in sorted(replicas)}


# --- /brokers/topics/T/partitions/P/state ---------------------------------------------------------


class _StateJson(msgspec.Struct, kw_only=True, omit_defaults=True):
    controller_epoch: int
    leader: int
    version: int
    leader_recovery_state: int = 0
    leader_epoch: int
    isr: tuple[int, ...]


def encode_partition_state(state: LeaderAndIsr) -> bytes:
    """``.../state``, v1. ``partition_epoch`` is the znode's version and not part of the body."""
    return msgspec.json.encode(
        _StateJson(
            controller_epoch=state.controller_epoch,
            leader=state.leader,
            version=1,
            leader_recovery_state=1 if state.recovering else 0,
            leader_epoch=state.leader_epoch,
            isr=state.isr,
        )
    )


def decode_partition_state(path: str, data: bytes | None, version: int) -> LeaderAndIsr:
    """``.../state``; ``version`` (the dataVersion of its Stat) is the partition epoch."""
    json = _decode(path, data, _StateJson)
    numbers = (json.leader_epoch, json.controller_epoch, *json.isr)
    legal = min(numbers) >= 0 and max(numbers) <= INT32_MAX
    if not legal or not LEADER_DURING_DELETE <= json.leader <= INT32_MAX:
        raise MalformedZNode(path, "has a number that is none of a broker or an epoch")
    return LeaderAndIsr(
        leader=json.leader,
        leader_epoch=json.leader_epoch,
        isr=json.isr,
        partition_epoch=version,
        controller_epoch=json.controller_epoch,
        recovering=json.leader_recovery_state == 1,
    )


# --- /cluster/id ----------------------------------------------------------------------------------


class _ClusterIdJson(msgspec.Struct, kw_only=True):
    version: str | int = "1"
    id: str


def encode_cluster_id(cluster_id: str) -> bytes:
    """``/cluster/id``; its version is a string."""
    return msgspec.json.encode(_ClusterIdJson(id=cluster_id))


def decode_cluster_id(path: str, data: bytes | None) -> str:
    """``/cluster/id``."""
    return _decode(path, data, _ClusterIdJson).id


# --- /config/<type>/<entity> and /config/changes --------------------------------------------------


class _ConfigJson(msgspec.Struct, kw_only=True):
    version: int = 1
    config: dict[str, str] = {}  # msgspec copies an empty default for every instance


class _ConfigChangeJson(msgspec.Struct, kw_only=True, omit_defaults=True):
    version: int
    entity_path: str | None = None
    entity_type: str | None = None
    entity_name: str | None = None


def encode_config(config: Mapping[str, str]) -> bytes:
    """``/config/<entity>``: all values are strings; the order is the caller's."""
    return msgspec.json.encode(_ConfigJson(config=dict(config)))


def decode_config(path: str, data: bytes | None) -> dict[str, str]:
    """``/config/<entity>``; a node without data has no settings."""
    return _decode(path, data, _ConfigJson).config if data else {}


def encode_config_change(entity: str) -> bytes:
    """``config_change_N``, v2, for an entity such as ``topics/T``."""
    return msgspec.json.encode(_ConfigChangeJson(version=2, entity_path=entity))


def decode_config_change(path: str, data: bytes | None) -> str:
    """The entity that changed; v1 named its type and its name apart."""
    json = _decode(path, data, _ConfigChangeJson)
    if json.entity_path is not None:
        return json.entity_path
    if json.entity_type is None or json.entity_name is None:
        raise MalformedZNode(path, "names no entity")
    return f"{json.entity_type}/{json.entity_name}"


# --- /latest_producer_id_block --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerIdBlock:
    """The latest block of producer ids given away: to whom, first and last id (inclusive)."""

    broker_id: int
    first: int
    last: int


class _ProducerIdBlockJson(msgspec.Struct, kw_only=True):
    version: int = 1
    broker: int
    block_start: str | int
    block_end: str | int


def encode_producer_id_block(block: ProducerIdBlock) -> bytes:
    """``/latest_producer_id_block``; both ends are strings."""
    return msgspec.json.encode(
        _ProducerIdBlockJson(
            broker=block.broker_id, block_start=str(block.first), block_end=str(block.last)
        )
    )


def decode_producer_id_block(path: str, data: bytes | None) -> ProducerIdBlock | None:
    """``/latest_producer_id_block``; None while no block has been given away."""
    if not data:
        return None
    json = _decode(path, data, _ProducerIdBlockJson)
    return ProducerIdBlock(
        broker_id=json.broker,
        first=_number(path, "block_start", json.block_start),
        last=_number(path, "block_end", json.block_end),
    )


# --- /feature -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureZNode:
    """Finalized features: name to highest level in force. Empty in ZooKeeper mode."""

    features: Mapping[str, int] = field(default_factory=dict)
    enabled: bool = True


class _LevelsJson(msgspec.Struct):
    max_version_level: int


class _FeatureJson(msgspec.Struct, kw_only=True):
    features: dict[str, _LevelsJson]
    version: int = 2
    status: int


def encode_feature(znode: FeatureZNode, version: int = 2) -> bytes:
    """``/feature``, v2, or v1 for brokers of a protocol before 3.3."""
    levels = {name: _LevelsJson(znode.features[name]) for name in sorted(znode.features)}
    status = 1 if znode.enabled else 0
    return msgspec.json.encode(_FeatureJson(features=levels, version=version, status=status))


def decode_feature(path: str, data: bytes | None) -> FeatureZNode:
    """``/feature``, v1 or v2."""
    json = _decode(path, data, _FeatureJson)
    if json.status not in (0, 1):
        raise MalformedZNode(path, f"has status {json.status}")
    return FeatureZNode(
        features={name: levels.max_version_level for name, levels in json.features.items()},
        enabled=json.status == 1,
    )


# --- Notifications and the legacy tools' requests -------------------------------------------------


class _LogDirEventJson(msgspec.Struct, kw_only=True):
    version: int = 1
    broker: int
    event: int = LOG_DIR_FAILURE


class _PartitionJson(msgspec.Struct, kw_only=True, omit_defaults=True):
    topic: str
    partition: int
    replicas: tuple[int, ...] | None = None


class _PartitionsJson(msgspec.Struct, kw_only=True):
    version: int = 1
    partitions: list[_PartitionJson]


def encode_log_dir_event(broker_id: int) -> bytes:
    """``log_dir_event_N``: a directory of this broker failed."""
    return msgspec.json.encode(_LogDirEventJson(broker=broker_id))


def decode_log_dir_event(path: str, data: bytes | None) -> int:
    """``log_dir_event_N``: whose directory failed."""
    return _decode(path, data, _LogDirEventJson).broker


def encode_partitions(partitions: Iterable[TopicPartition]) -> bytes:
    """``/admin/preferred_replica_election``, and ``isr_change_N`` of leaders on an old protocol."""
    listed = [_PartitionJson(topic=tp.topic, partition=tp.partition) for tp in partitions]
    return msgspec.json.encode(_PartitionsJson(partitions=listed))


def decode_partitions(path: str, data: bytes | None) -> list[TopicPartition]:
    """What ``encode_partitions`` writes."""
    json = _decode(path, data, _PartitionsJson)
    return [TopicPartition(p.topic, p.partition) for p in json.partitions]


encode_preferred_election = encode_isr_change = encode_partitions
decode_preferred_election = decode_isr_change = decode_partitions


def encode_reassignment(targets: Mapping[TopicPartition, Replicas]) -> bytes:
    """``/admin/reassign_partitions``: target replicas by partition, in the mapping's order."""
    listed = [
        _PartitionJson(topic=tp.topic, partition=tp.partition, replicas=tuple(replicas))
        for tp, replicas in targets.items()
    ]
    return msgspec.json.encode(_PartitionsJson(partitions=listed))


def decode_reassignment(path: str, data: bytes | None) -> dict[TopicPartition, Replicas]:
    """``/admin/reassign_partitions``."""
    targets = {}
    for p in _decode(path, data, _PartitionsJson).partitions:
        if p.replicas is None:
            raise MalformedZNode(path, f"{p.topic}-{p.partition} has no replicas")
        targets[TopicPartition(p.topic, p.partition)] = p.replicas
    return targets
