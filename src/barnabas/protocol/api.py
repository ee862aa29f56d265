"""The APIs of Kafka 3.9 in ZooKeeper mode: keys, versions, first flexible versions.

Source: the 62 keys that 3.9.1 lists (reference 9 and 14), plus DescribeTopicPartitions, which newer
admin clients use. As in 3.9, each is served from v0 on. ``descriptions/`` has the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class ApiKey(IntEnum):
    """The number of an API in a request header."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    LEADER_AND_ISR = 4
    STOP_REPLICA = 5
    UPDATE_METADATA = 6
    CONTROLLED_SHUTDOWN = 7
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    SASL_HANDSHAKE = 17
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    OFFSET_FOR_LEADER_EPOCH = 23
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    WRITE_TXN_MARKERS = 27
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_ACLS = 29
    CREATE_ACLS = 30
    DELETE_ACLS = 31
    DESCRIBE_CONFIGS = 32
    ALTER_CONFIGS = 33
    ALTER_REPLICA_LOG_DIRS = 34
    DESCRIBE_LOG_DIRS = 35
    SASL_AUTHENTICATE = 36
    CREATE_PARTITIONS = 37
    CREATE_DELEGATION_TOKEN = 38
    RENEW_DELEGATION_TOKEN = 39
    EXPIRE_DELEGATION_TOKEN = 40
    DESCRIBE_DELEGATION_TOKEN = 41
    DELETE_GROUPS = 42
    ELECT_LEADERS = 43
    INCREMENTAL_ALTER_CONFIGS = 44
    ALTER_PARTITION_REASSIGNMENTS = 45
    LIST_PARTITION_REASSIGNMENTS = 46
    OFFSET_DELETE = 47
    DESCRIBE_CLIENT_QUOTAS = 48
    ALTER_CLIENT_QUOTAS = 49
    DESCRIBE_USER_SCRAM_CREDENTIALS = 50
    ALTER_USER_SCRAM_CREDENTIALS = 51
    ALTER_PARTITION = 56
    UPDATE_FEATURES = 57
    ENVELOPE = 58
    DESCRIBE_CLUSTER = 60
    DESCRIBE_PRODUCERS = 61
    DESCRIBE_TRANSACTIONS = 65
    LIST_TRANSACTIONS = 66
    ALLOCATE_PRODUCER_IDS = 67
    CONSUMER_GROUP_HEARTBEAT = 68
    CONSUMER_GROUP_DESCRIBE = 69
    DESCRIBE_TOPIC_PARTITIONS = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API, and the versions that can be encoded and decoded."""

    key: ApiKey
    max_version: int
    flexible_from: int | None
    """The first version with compact lengths and tagged fields (KIP-482); None if there is none."""

    @property
    def name(self) -> str:
        """Kafka's name, for logs and metrics: ``LeaderAndIsr``."""
        return self.key.name.title().replace("_", "")

    def serves(self, version: int) -> bool:
        """Whether this version can be encoded and decoded."""
        return 0 <= version <= self.max_version

    def is_flexible(self, version: int) -> bool:
        """Whether bodies of this version have compact lengths and tagged fields."""
        return self.flexible_from is not None and version >= self.flexible_from

    def response_is_tagged(self, version: int) -> bool:
        """Whether the response header is v1 (a tagged section after the correlation id). Answers of
        ApiVersions always have header v0, since the client may not know the version."""
        return self.key is not ApiKey.API_VERSIONS and self.is_flexible(version)


# fmt: off
# key: (max, first flexible version or None)
_VERSIONS: Final[Mapping[int, tuple[int, int | None]]] = {
    0: (11, 9), 1: (17, 12), 2: (9, 6), 3: (12, 9), 4: (7, 4), 5: (4, 2), 6: (8, 6), 7: (3, 3),
    8: (9, 8), 9: (9, 6), 10: (6, 3), 11: (9, 6), 12: (4, 4), 13: (5, 4), 14: (5, 4),
    15: (5, 5), 16: (5, 3), 17: (1, None), 18: (4, 3), 19: (7, 5), 20: (6, 4), 21: (2, 2),
    22: (5, 2), 23: (4, 4), 24: (5, 3), 25: (4, 3), 26: (4, 3), 27: (1, 1), 28: (4, 3),
    29: (3, 2), 30: (3, 2), 31: (3, 2), 32: (4, 4), 33: (2, 2), 34: (2, 2), 35: (4, 2),
    36: (2, 2), 37: (3, 2), 38: (3, 2), 39: (2, 2), 40: (2, 2), 41: (3, 2), 42: (2, 2),
    43: (2, 2), 44: (1, 1), 45: (0, 0), 46: (0, 0), 47: (0, None), 48: (1, 1), 49: (1, 1),
    50: (0, 0), 51: (0, 0), 56: (3, 0), 57: (1, 0), 58: (0, 0), 60: (1, 0), 61: (0, 0),
    65: (0, 0), 66: (1, 0), 67: (0, 0), 68: (1, 0), 69: (1, 0), 75: (0, 0),
}
# fmt: on

API_TABLE: Final[Mapping[int, Api]] = MappingProxyType(
    {
        ApiKey(key): Api(
            key=ApiKey(key),
            max_version=greatest,
            flexible_from=flexible,
        )
        for key, (greatest, flexible) in _VERSIONS.items()
    }
)
"""All APIs. Plain ints may be used as keys."""

CONTROLLER_APIS: Final = (
    ApiKey.LEADER_AND_ISR,
    ApiKey.STOP_REPLICA,
    ApiKey.UPDATE_METADATA,
    ApiKey.CONTROLLED_SHUTDOWN,
)
"""The orders of controllers, and what brokers tell them, in ZooKeeper mode only."""


class ApiVersion(NamedTuple):
    """A row of an ApiVersions answer, with the answer's own field names."""

    api_key: int
    min_version: int
    max_version: int
