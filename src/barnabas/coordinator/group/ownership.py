"""Which groups this broker coordinates: those of the partitions of ``__consumer_offsets`` that it
leads. They are loaded and unloaded as leadership moves (reference 8.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.kinds import AnyGroup
from barnabas.coordinator.group.loading import Loading
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.ownership import OwnedPartition
from barnabas.coordinator.ownership import Ownership as PartitionOwnership
from barnabas.errors import ErrorCode, KafkaError
from barnabas.replication.replica_manager import ReplicaManager

OffsetsPartition: TypeAlias = OwnedPartition[AnyGroup]


class Ownership:
    """The groups of one broker, by the partition that keeps them."""

    def __init__(
        self,
        replicas: ReplicaManager,
        partitions: int,
        now: Callable[[], Now],
        *,
        load_bytes: int,
        on_loaded: Callable[[OffsetsPartition], None],
        on_unloaded: Callable[[list[AnyGroup]], None],
    ) -> None:
        note = replicas.context.note

        def loaded(owned: OffsetsPartition) -> None:
            note(
                "groups_loaded",
                partition=owned.number,
                epoch=owned.partition.leader_epoch,
                groups=len(owned.entries),
            )
            on_loaded(owned)

        def unloaded(number: int, groups: list[AnyGroup]) -> None:
            note("groups_unloaded", partition=number, groups=len(groups))
            on_unloaded(groups)

        self._owned: PartitionOwnership[AnyGroup, Loading] = PartitionOwnership(
            replicas,
            OFFSETS_TOPIC,
            partitions,
            load_bytes=load_bytes,
            begin=Loading,
            finish=lambda loading: loading.groups(now()),
            on_loaded=loaded,
            on_unloaded=unloaded,
        )
        self.partition_of = self._owned.partition_of
        self.all_ready = self._owned.all_ready
        self.run = self._owned.run

    def find(self, group_id: str, *, allow_empty: bool = False) -> OffsetsPartition:
        """The loaded partition of a group. Raises INVALID_GROUP_ID, NOT_COORDINATOR,
        COORDINATOR_LOAD_IN_PROGRESS."""
        if not group_id and not allow_empty:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        return self._owned.find(group_id)

    def home(self, group: AnyGroup) -> OffsetsPartition | None:
        """The partition that keeps a group; None if this broker does not lead it."""
        return self._owned.home(group.id, group)

    @property
    def is_loading(self) -> bool:
        """Whether a partition that this broker leads is still being loaded."""
        return self._owned.is_loading
