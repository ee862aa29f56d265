"""Which member may do what in a consumer group, and the error for the others. Pure (KIP-848)."""

from __future__ import annotations

from barnabas.coordinator.group.consumer.group import ConsumerGroup
from barnabas.coordinator.group.records.assignment import Assignment, without
from barnabas.errors import ErrorCode, KafkaError


def check_member(group: ConsumerGroup, member_id: str, instance_id: str | None) -> None:
    """Raise unless this is a member, under the id that its instance has now: UNKNOWN_MEMBER_ID,
    FENCED_INSTANCE_ID."""
    if instance_id is not None:
        current = group.static.get(instance_id)
        if current is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
        if current != member_id:
            raise KafkaError(
                ErrorCode.FENCED_INSTANCE_ID,
                f"Static member {member_id} with instance id {instance_id} was fenced by member"
                f" {current}.",
            )
    if member_id not in group.members:
        raise KafkaError(
            ErrorCode.UNKNOWN_MEMBER_ID,
            f"Member {member_id} is not a member of group {group.id}.",
        )


def check_epoch(group: ConsumerGroup, member_id: str, epoch: int, owned: Assignment | None) -> None:
    """Raise FENCED_MEMBER_EPOCH unless a heartbeat has the member's epoch, or the previous one, for
    the answer with the new one may have been lost."""
    now = group.now_of(member_id)
    if epoch == now.epoch:
        return
    is_late = now.previous_epoch == epoch < now.epoch
    if is_late and owned is not None and not without(owned, now.assigned):
        return
    than = "greater" if epoch > now.epoch else "smaller"
    raise KafkaError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {than} member epoch ({epoch}) than the one known by the"
        f" group coordinator ({now.epoch}). The member must abandon all its partitions and rejoin.",
    )


def check_commit(
    group: ConsumerGroup,
    member_id: str,
    epoch: int,
    *,
    transactional: bool = False,
    knows_epochs: bool = True,
) -> ErrorCode:
    """Raise unless positions may be committed. Members at their present epoch may; anybody may
    where a group has no members."""
    if group.is_dead:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if epoch < 0 and not group.members:
        return ErrorCode.NONE
    if member_id not in group.members:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if not transactional and not knows_epochs:
        return ErrorCode.UNSUPPORTED_VERSION
    if epoch == group.now_of(member_id).epoch:
        return ErrorCode.NONE
    return ErrorCode.ILLEGAL_GENERATION if transactional else ErrorCode.STALE_MEMBER_EPOCH


def check_fetch(group: ConsumerGroup, member_id: str | None, epoch: int) -> None:
    """Raise unless positions may be read. Anybody may who does not claim to be a member.
    UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH."""
    if not member_id and epoch < 0:
        return
    if member_id is None or member_id not in group.members:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
    if epoch != group.now_of(member_id).epoch:
        raise KafkaError(ErrorCode.STALE_MEMBER_EPOCH)
