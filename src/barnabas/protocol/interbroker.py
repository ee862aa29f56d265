"""LeaderAndIsr, StopReplica, UpdateMetadata and ControlledShutdown: ZooKeeper mode's messages.

kio has the messages of Kafka 4, where these are gone. They are declared here in all versions
(reference 4.1, 4.3, 4.4, 4.5), as tables of fields in wire order. Their codecs are generated as for
all other messages. A row is ``name  type  versions  [default]``; ``[]`` before a type makes an
array, ``?`` after it makes it nullable, ``#n`` gives the tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.schema import FIXED_KINDS, Field, Struct, zero

_Table = Mapping[str, str]

_LEADER_AND_ISR_REQUEST: Final[_Table] = {
    "LeaderAndIsrRequest": """
        controller_id               int32               0+
        is_kraft_controller         bool                7+
        controller_epoch            int32               0+
        broker_epoch                int64               2+  -1
        type_                       int8                5+
        ungrouped_partition_states  []PartitionState    0-1
        topic_states                []TopicState        2+
        live_leaders                []LiveLeader        0+
        """,
    "TopicState": """
        topic_name                  string              2+
        topic_id                    uuid                5+
        partition_states            []PartitionState    2+
        """,
    "PartitionState": """
        topic_name                  string              0-1
        partition_index             int32               0+
        controller_epoch            int32               0+
        leader                      int32               0+
        leader_epoch                int32               0+
        isr                         []int32             0+
        partition_epoch             int32               0+
        replicas                    []int32             0+
        adding_replicas             []int32             3+
        removing_replicas           []int32             3+
        is_new                      bool                1+
        leader_recovery_state       int8                6+
        """,
    "LiveLeader": """
        broker_id                   int32               0+
        host_name                   string              0+
        port                        int32               0+
        """,
}
_LEADER_AND_ISR_RESPONSE: Final[_Table] = {
    "LeaderAndIsrResponse": """
        error_code                  int16               0+
        partition_errors            []PartitionError    0-4
        topics                      []TopicError        5+
        """,
    "TopicError": """
        topic_id                    uuid                5+
        partition_errors            []PartitionError    5+
        """,
    "PartitionError": """
        topic_name                  string              0-4
        partition_index             int32               0+
        error_code                  int16               0+
        """,
}
_STOP_REPLICA_REQUEST: Final[_Table] = {
    "StopReplicaRequest": """
        controller_id               int32               0+
        is_kraft_controller         bool                4+
        controller_epoch            int32               0+
        broker_epoch                int64               1+  -1
        delete_partitions           bool                0-2
        ungrouped_partitions        []UngroupedPartition  0
        topics                      []TopicV1           1-2
        topic_states                []TopicState        3+
        """,
    "UngroupedPartition": """
        topic_name                  string              0
        partition_index             int32               0
        """,
    "TopicV1": """
        name                        string              1-2
        partition_indexes           []int32             1-2
        """,
    "TopicState": """
        topic_name                  string              3+
        partition_states            []PartitionState    3+
        """,
    "PartitionState": """
        partition_index             int32               3+
        leader_epoch                int32               3+  -1
        delete_partition            bool                3+
        """,
}
_STOP_REPLICA_RESPONSE: Final[_Table] = {
    "StopReplicaResponse": """
        error_code                  int16               0+
        partition_errors            []PartitionError    0+
        """,
    "PartitionError": """
        topic_name                  string              0+
        partition_index             int32               0+
        error_code                  int16               0+
        """,
}
_UPDATE_METADATA_REQUEST: Final[_Table] = {
    "UpdateMetadataRequest": """
        controller_id               int32               0+
        is_kraft_controller         bool                8+
        type_                       int8#0              8+
        controller_epoch            int32               0+
        broker_epoch                int64               5+  -1
        ungrouped_partition_states  []PartitionState    0-4
        topic_states                []TopicState        5+
        live_brokers                []Broker            0+
        """,
    "TopicState": """
        topic_name                  string              5+
        topic_id                    uuid                7+
        partition_states            []PartitionState    5+
        """,
    "PartitionState": """
        topic_name                  string              0-4
        partition_index             int32               0+
        controller_epoch            int32               0+
        leader                      int32               0+
        leader_epoch                int32               0+
        isr                         []int32             0+
        zk_version                  int32               0+
        replicas                    []int32             0+
        offline_replicas            []int32             4+
        """,
    "Broker": """
        id                          int32               0+
        v0_host                     string              0
        v0_port                     int32               0
        endpoints                   []Endpoint          1+
        rack                        string?             2+
        """,
    "Endpoint": """
        port                        int32               1+
        host                        string              1+
        listener                    string              3+
        security_protocol           int16               1+
        """,
}
_UPDATE_METADATA_RESPONSE: Final[_Table] = {
    "UpdateMetadataResponse": "error_code int16 0+",
}
_CONTROLLED_SHUTDOWN_REQUEST: Final[_Table] = {
    "ControlledShutdownRequest": """
        broker_id                   int32               0+
        broker_epoch                int64               2+  -1
        """,
}
_CONTROLLED_SHUTDOWN_RESPONSE: Final[_Table] = {
    "ControlledShutdownResponse": """
        error_code                  int16               0+
        remaining_partitions        []RemainingPartition  0+
        """,
    "RemainingPartition": """
        topic_name                  string              0+
        partition_index             int32               0+
        """,
}

_TABLES: Final[Mapping[int, tuple[_Table, _Table]]] = {
    ApiKey.LEADER_AND_ISR: (_LEADER_AND_ISR_REQUEST, _LEADER_AND_ISR_RESPONSE),
    ApiKey.STOP_REPLICA: (_STOP_REPLICA_REQUEST, _STOP_REPLICA_RESPONSE),
    ApiKey.UPDATE_METADATA: (_UPDATE_METADATA_REQUEST, _UPDATE_METADATA_RESPONSE),
    ApiKey.CONTROLLED_SHUTDOWN: (_CONTROLLED_SHUTDOWN_REQUEST, _CONTROLLED_SHUTDOWN_RESPONSE),
}


def message_schema(api_key: int, version: int, *, response: bool) -> Struct:
    """The schema of one of the four messages in one version."""
    table = _TABLES[api_key][response]
    flexible = API_TABLE[api_key].is_flexible(version)
    return _struct(table, next(iter(table)), version, flexible=flexible)


def _struct(table: _Table, name: str, version: int, *, flexible: bool) -> Struct:
    rows = (line.split() for line in table[name].splitlines() if line.strip())
    fields = tuple(
        _field(table, row, version, flexible=flexible) for row in rows if _has(row[2], version)
    )
    return Struct(name=name, flexible=flexible, fields=fields)


def _has(versions: str, version: int) -> bool:
    """Whether "2+", "0-1" or "0" contains a version."""
    if versions.endswith("+"):
        return version >= int(versions[:-1])
    first, _, last = versions.partition("-")
    return int(first) <= version <= int(last or first)


def _field(table: _Table, row: list[str], version: int, *, flexible: bool) -> Field:
    name, spelled = row[0], row[1]
    kind, _, tag = spelled.removeprefix("[]").partition("#")
    array, nullable = spelled.startswith("[]"), kind.endswith("?")
    kind = kind.removesuffix("?")
    struct = None
    if kind not in FIXED_KINDS and kind != "string":
        struct = _struct(table, kind, version, flexible=flexible)
        kind = "struct"
    default: Any = int(row[3]) if len(row) > 3 else zero(kind, array=array, nullable=nullable)
    return Field(
        name=name,
        kind=kind,
        array=array,
        nullable=nullable,
        tag=int(tag) if tag else None,
        default=default,
        struct=struct,
        required=len(row) < 4,
    )
