"""A kafka-python consumer in a process of its own: it forgets to close sockets whose peer died.

Usage: BOOTSTRAP TOPIC GROUP ASSIGNOR. Writes ``read PARTITION OFFSET`` for each record, until its
input ends.
"""

from __future__ import annotations

import contextlib
import sys
import threading

import kafka
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


def main(bootstrap: str, topic: str, group: str, assignor: str) -> None:
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    consumer = kafka.KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap.split(","),
        group_id=group,
        client_id="kafka-python",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        partition_assignment_strategy=[ASSIGNORS[assignor]],
        session_timeout_ms=6000,
        heartbeat_interval_ms=300,
    )
    while not stop.is_set():
        found = consumer.poll(timeout_ms=100)
        for partition, messages in found.items():
            for message in messages:
                print("read", partition.partition, message.offset, flush=True)
        with contextlib.suppress(kafka.errors.KafkaError):
            if found:
                consumer.commit()
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
