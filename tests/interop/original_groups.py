"""Groups told by the original's ConsumerGroupCommand and by ours, and members to fill them."""

from __future__ import annotations

import json
from typing import Any

from confluent_kafka import Consumer, KafkaException
from tests.clients.drivers import How, Row, write_confluent
from tests.cluster_kit import barnabas, wait_for
from tests.interop.original import output, tool

GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
_PATIENTLY = ("--timeout", "40000")
"""It gives up after 5 s by default, of which its own start takes most on a busy machine."""
ROWS = 100
"""Records in each partition of a topic made by ``fill``."""


def fill(bootstrap: str, topic: str, partitions: int) -> None:
    rows = [
        Row(partition=n % partitions, key=None, value=b"%d" % n) for n in range(ROWS * partitions)
    ]
    write_confluent(bootstrap, topic, rows, How())


def group_command(bootstrap: str, *arguments: str) -> str:
    return output(GROUPS, *_PATIENTLY, "--bootstrap-server", bootstrap, *arguments)


def refused(bootstrap: str, *arguments: str) -> str:
    """What the command says; it does not always fail when it is refused."""
    done = tool(GROUPS, *_PATIENTLY, "--bootstrap-server", bootstrap, *arguments)
    return done.stdout + done.stderr


def table(text: str) -> list[dict[str, str]]:
    """The rows of its tables with the same columns, of which the last ones may be empty."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    at = next(i for i, line in enumerate(lines) if line[0] == "GROUP")
    rows = [line for line in lines[at + 1 :] if line[0] != "GROUP"]
    return [dict(zip(lines[at], row, strict=False)) for row in rows]


def positions(rows: list[dict[str, str]]) -> dict[tuple[str, int], str]:
    """Of a described group."""
    return {(row["TOPIC"], int(row["PARTITION"])): row["CURRENT-OFFSET"] for row in rows}


def new_positions(text: str) -> dict[tuple[str, int], str]:
    """What a reset prints: all rows in one line."""
    words = text.split()
    assert words[:4] == ["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"], text
    rows = [words[at : at + 4] for at in range(4, len(words), 4)]
    return {(topic, int(partition)): new for _, topic, partition, new in rows}


def our_description(bootstrap: str, group: str) -> dict[str, Any]:
    done = barnabas("group", "describe", group, "-o", "json", bootstrap=bootstrap)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def our_positions(bootstrap: str, group: str) -> dict[tuple[str, int], str]:
    """As ``positions`` shows them."""
    return {
        (row["topic"], row["partition"]): str(row["committed"])
        for row in our_description(bootstrap, group)["partitions"]
    }


def member(bootstrap: str, group: str, topic: str, **config: object) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "client.id": f"client-of-{group}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
            "log_level": 0,
            **{key.replace("_", "."): value for key, value in config.items()},
        }
    )
    consumer.subscribe([topic])
    return consumer


def read_in_group(bootstrap: str, group: str, topic: str, count: int, **config: object) -> Consumer:
    """A consumer that has read and committed ``count`` records, still a member."""
    consumer = member(bootstrap, group, topic, **config)
    read = 0

    def all_read() -> bool:
        nonlocal read
        messages = consumer.consume(count - read, 0.2)
        read += sum(m.error() is None for m in messages)
        return read == count

    try:
        wait_for(all_read, 40, f"{group} has read {count} records")
        wait_for(lambda: committed(consumer), 20, f"{group} has committed")
    except BaseException:
        consumer.close()
        raise
    return consumer


def committed(consumer: Consumer) -> bool:
    try:
        consumer.commit(asynchronous=False)
    except KafkaException:
        return False
    return True
