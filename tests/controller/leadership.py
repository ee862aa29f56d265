"""The state of a partition under test."""

from __future__ import annotations

from hypothesis import strategies as st

from barnabas.types import LeaderAndIsr


def state(leader: int, *isr: int, epoch: int = 5, recovering: bool = False) -> LeaderAndIsr:
    return LeaderAndIsr(
        leader=leader,
        leader_epoch=epoch,
        isr=isr,
        partition_epoch=9,
        controller_epoch=1,
        recovering=recovering,
    )


IDS = st.integers(1, 5)
SUBSET = st.lists(IDS, unique=True, max_size=5).map(tuple)
