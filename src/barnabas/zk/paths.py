"""ZkData, paths: Kafka's znode paths (reference 1.2). Pure.

Fixed paths are constants, the others functions. There are parsers for names that contain a number
or a topic.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from barnabas.names import number_in
from barnabas.types import TopicPartition

CONTROLLER: Final = "/controller"
CONTROLLER_EPOCH: Final = "/controller_epoch"
BROKER_IDS: Final = "/brokers/ids"
TOPICS: Final = "/brokers/topics"
BROKER_SEQUENCE_ID: Final = "/brokers/seqid"
CLUSTER_ID: Final = "/cluster/id"
CONFIG: Final = "/config"
CONFIG_CHANGES: Final = "/config/changes"
CONFIG_CHANGE_PREFIX: Final = "/config/changes/config_change_"
DELETE_TOPICS: Final = "/admin/delete_topics"
REASSIGN_PARTITIONS: Final = "/admin/reassign_partitions"
PREFERRED_REPLICA_ELECTION: Final = "/admin/preferred_replica_election"
ISR_CHANGES: Final = "/isr_change_notification"
ISR_CHANGE_PREFIX: Final = "/isr_change_notification/isr_change_"
LOG_DIR_EVENTS: Final = "/log_dir_event_notification"
LOG_DIR_EVENT_PREFIX: Final = "/log_dir_event_notification/log_dir_event_"
PRODUCER_ID_BLOCK: Final = "/latest_producer_id_block"
FEATURE: Final = "/feature"

DEFAULT_ENTITY: Final = "<default>"
"""The entity whose settings are the defaults of all others. It is written as it is, not encoded."""

TOP_LEVEL_PATHS: Final = (
    "/consumers",
    BROKER_IDS,
    TOPICS,
    CONFIG_CHANGES,
    DELETE_TOPICS,
    BROKER_SEQUENCE_ID,
    ISR_CHANGES,
    PRODUCER_ID_BLOCK,
    LOG_DIR_EVENTS,
    "/config/topics",
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
)
"""The nodes that every broker creates at its start if they are missing, in this order, with null
data."""


def broker_id_path(broker_id: int) -> str:
    """``/brokers/ids/N``."""
    return f"{BROKER_IDS}/{broker_id}"


def topic_path(topic: str) -> str:
    """``/brokers/topics/T``."""
    return f"{TOPICS}/{topic}"


def partitions_path(topic: str) -> str:
    """``/brokers/topics/T/partitions``."""
    return f"{TOPICS}/{topic}/partitions"


def partition_path(topic: str, partition: int) -> str:
    """``/brokers/topics/T/partitions/P``."""
    return f"{TOPICS}/{topic}/partitions/{partition}"


def consumer_offset_path(group: str, name: TopicPartition) -> str:
    """``/consumers/G/offsets/T/P``; the group's name must be one that ZooKeeper accepts."""
    return f"/consumers/{group}/offsets/{name.topic}/{name.partition}"


def partition_state_path(topic: str, partition: int) -> str:
    """``/brokers/topics/T/partitions/P/state``."""
    return f"{TOPICS}/{topic}/partitions/{partition}/state"


def delete_topic_path(topic: str) -> str:
    """``/admin/delete_topics/T``."""
    return f"{DELETE_TOPICS}/{topic}"


def config_path(entity: str) -> str:
    """``/config/<entity>`` for an entity such as ``topics/T`` or ``brokers/<default>``."""
    return f"{CONFIG}/{entity}"


def topic_entity(topic: str) -> str:
    """The entity with a topic's settings: ``topics/T``."""
    return f"topics/{topic}"


def user_entity(user: str) -> str:
    """The entity with a user's SCRAM credentials and quotas: ``users/U``."""
    return f"users/{sanitize(user)}"


def broker_entity(broker_id: int | None) -> str:
    """The entity with one broker's settings; None: those of all brokers (``brokers/<default>``)."""
    return f"brokers/{DEFAULT_ENTITY if broker_id is None else broker_id}"


def sanitize(name: str) -> str:
    """A user name or client id as a part of a path: Java's URL encoding, with ``%20`` and ``%2A``.

    ``DEFAULT_ENTITY`` is not encoded."""
    return quote(name, safe="-._").replace("~", "%7E")


def desanitize(text: str) -> str:
    """The inverse of ``sanitize``."""
    return unquote(text)


def sequence_number(name: str) -> int:
    """The number that a sequential node's name ends in (``config_change_0000000007`` is 7).

    Takes a name or a path. Raises ValueError when it does not end in ZooKeeper's ten digits."""
    digits = name[-10:]
    if len(digits) != 10 or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{name!r} does not end in a sequence number")
    return int(digits)


def parse_partition_state_path(path: str) -> TopicPartition | None:
    """The partition whose state is at ``path``; None for any other path."""
    parts = path.split("/")
    if len(parts) != 7 or parts[:3] != ["", "brokers", "topics"]:
        return None
    number = number_in(parts[5])
    if parts[4] != "partitions" or parts[6] != "state" or number is None:
        return None
    return TopicPartition(parts[3], number)
