"""MetadataVersion: in which versions brokers talk to each other; the setting
``inter.broker.protocol.version``. Older brokers of the original in the same cluster do not
understand newer ones, and these requests are sent without asking first (reference 4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

OLDEST: Final = "2.8"
"""Before 2.8-IV1 topics have no ids."""
_LATEST_STEP: Final = 99
"""A release without a step, such as ``3.4``, is its last one."""
_FORM: Final = re.compile(r"(\d+)\.(\d+)(?:-IV(\d+))?(?:\..*)?")

_Step = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterBrokerVersions:
    """Versions of requests that a broker sends to others; by default those of 3.9."""

    leader_and_isr: int = 7
    update_metadata: int = 8
    stop_replica: int = 4
    fetch: int = 17
    list_offsets: int = 9
    alter_partition: int = 3
    verification: int | None = 5
    """AddPartitionsToTxn with ``verify_only`` (KIP-890); None: coordinators do not know it."""
    producer_ids_from_controller: bool = True
    """KIP-730; before, each broker took its blocks from ZooKeeper itself."""
    feature_node: int = 2
    """Of the JSON in ``/feature``."""


CURRENT: Final = InterBrokerVersions()


def inter_broker_versions(protocol: str) -> InterBrokerVersions:
    """For a value of the setting, such as ``2.8``, ``3.4-IV0``. Raises ValueError for a protocol
    that is older than ``OLDEST``, or none of Kafka's."""
    found = _FORM.fullmatch(protocol)
    if found is None:
        raise ValueError(f"{protocol} is older than {OLDEST}")
    major, minor, step = found.groups()
    spoken = int(major), int(minor), _LATEST_STEP if step is None else int(step)
    if spoken < (2, 8, 1):
        raise ValueError(f"{protocol} is older than {OLDEST}")

    def since(table: tuple[tuple[_Step, int], ...]) -> int:
        return next(version for step, version in table if spoken >= step)

    return InterBrokerVersions(
        leader_and_isr=since((((3, 4, 0), 7), ((3, 2, 0), 6), ((0, 0, 0), 5))),
        update_metadata=since((((3, 4, 0), 8), ((0, 0, 0), 7))),
        stop_replica=since((((3, 4, 0), 4), ((0, 0, 0), 3))),
        fetch=since(
            (
                ((3, 9, 0), 17),
                ((3, 7, 4), 16),
                ((3, 5, 1), 15),
                ((3, 5, 0), 14),
                ((3, 1, 0), 13),
                ((0, 0, 0), 12),
            )
        ),
        list_offsets=since((((3, 9, 0), 9), ((3, 5, 0), 8), ((3, 0, 1), 7), ((0, 0, 0), 6))),
        alter_partition=since((((3, 5, 0), 3), ((3, 3, 0), 2), ((3, 2, 0), 1), ((0, 0, 0), 0))),
        verification=None if spoken < (3, 6, 0) else since((((3, 8, 0), 5), ((0, 0, 0), 4))),
        producer_ids_from_controller=spoken >= (3, 0, 0),
        feature_node=2 if spoken >= (3, 3, 0) else 1,
    )
