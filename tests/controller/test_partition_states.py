"""PartitionStateMachine: its table, and who leads first."""

from __future__ import annotations

from barnabas.controller.partition_states import (
    VALID_PREVIOUS as PARTITION_TABLE,
)
from barnabas.controller.partition_states import PartitionState, initial_leadership


def test_new_partitions_are_led_by_the_first_live_replica() -> None:
    first = initial_leadership((3, 1, 2), (1, 2), 4)
    assert first is not None
    assert (first.leader, first.isr, first.leader_epoch, first.controller_epoch) == (
        1,
        (1, 2),
        0,
        4,
    )
    assert initial_leadership((3,), (1, 2), 4) is None


def test_every_partition_state_has_its_row() -> None:
    assert set(PARTITION_TABLE) == set(PartitionState)
