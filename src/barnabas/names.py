"""Topic.validate: legal names of topics, numbers of partitions, ids of brokers. Pure.

All names and numbers from outside are checked here before they are used: those in requests of
clients, controllers and other brokers, in znodes, checkpoints and names of directories. A legal
name can be a part of a path: it has no slash or control character, and is not ``.`` or ``..``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from barnabas.errors import ErrorCode, KafkaError
from barnabas.types import TopicPartition

TOPIC_NAME_LENGTH_MAX: Final = 249
INT32_MAX: Final = 2**31 - 1
FILE_NAME_BYTES_MAX: Final = 255
"""The longest name of a file or directory on usual file systems."""

_LEGAL: Final = re.compile(r"[a-zA-Z0-9._-]+")


def topic_problem(name: str) -> str | None:
    """What is wrong with a topic's name, in Kafka's words; None if nothing is."""
    if not name:
        return "the empty string is not allowed"
    if name in (".", ".."):
        return f"'{name}' is not allowed"
    if len(name) > TOPIC_NAME_LENGTH_MAX:
        return (
            f"the length of '{name}' is longer than the max allowed length {TOPIC_NAME_LENGTH_MAX}"
        )
    if not _LEGAL.fullmatch(name):
        return (
            f"'{name}' contains one or more characters other than ASCII alphanumerics,"
            " '.', '_' and '-'"
        )
    return None


def is_topic(name: str) -> bool:
    """Whether a topic may have this name."""
    return topic_problem(name) is None


def check_topic(name: str) -> None:
    """Raise INVALID_TOPIC_EXCEPTION unless Kafka allows the name."""
    problem = topic_problem(name)
    if problem:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {problem}")


def colliding_topics(name: str, existing: Iterable[str]) -> list[str]:
    """The topics whose metrics would have the same names, in which '.' and '_' are the same. Kafka
    refuses to create a topic that has such another one."""
    alike = name.replace(".", "_")
    return [other for other in existing if other.replace(".", "_") == alike]


def is_number(number: int) -> bool:
    """Whether it can be a partition's number, a broker's id or an epoch: not negative, 32 bits."""
    return 0 <= number <= INT32_MAX


def check_partition(partition: TopicPartition) -> None:
    """Raise INVALID_TOPIC_EXCEPTION for a name, INVALID_PARTITIONS for a number that is not legal,
    and for both together if they do not fit a directory's name."""
    check_topic(partition.topic)
    check_partition_of_topic(partition)


def is_partition_of_topic(partition: TopicPartition) -> bool:
    """``is_partition`` for a topic whose name has been checked."""
    topic, number = partition
    return is_number(number) and len(topic) + 1 + len(str(number)) <= FILE_NAME_BYTES_MAX


def check_partition_of_topic(partition: TopicPartition) -> None:
    """``check_partition`` for a topic whose name has been checked."""
    if not is_partition_of_topic(partition):
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS, f"{partition.partition} cannot be a partition's number"
        )


def is_partition(partition: TopicPartition) -> bool:
    """Whether ``check_partition`` accepts it."""
    try:
        check_partition(partition)
    except KafkaError:
        return False
    return True


def is_path_name(name: str) -> bool:
    """Whether ZooKeeper accepts the name as the last part of a path."""
    if name in ("", ".", "..") or "/" in name:
        return False
    return not any(
        c <= "\x1f" or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\uf8ff" or c >= "\ufff0"
        for c in name
        if c <= "\uffff"
    )


def number_in(text: str) -> int | None:
    """The number that a text gives in plain ASCII digits, without a sign or leading zeros; None for
    any other text."""
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    number = int(text)
    return number if is_number(number) and str(number) == text else None
