"""What ConsumerGroupHeartbeat carries and is answered, and what it must not carry. Pure."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from barnabas.coordinator.group.consumer.topics import Patterns
from barnabas.coordinator.group.records.assignment import Assignment
from barnabas.coordinator.group.records.facts import LEAVE_EPOCH, STATIC_LEAVE_EPOCH
from barnabas.errors import ErrorCode, KafkaError

NO_TIMEOUT = -1
JOIN_EPOCH = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatRequest:
    """One heartbeat. None stands for a field that has not changed since the last one."""

    group_id: str
    member_id: str
    epoch: int
    client_id: str = ""
    client_host: str = ""
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = NO_TIMEOUT
    topics: Sequence[str] | None = None
    regex: str | None = None
    assignor: str | None = None
    owned: Assignment | None = None
    describable: Container[str] | None = None
    """The topics that an expression of this member may find, now and later; None: all."""
    rights: int = 0
    """Rises when that may have changed."""
    brings_own_id: bool = True
    """v1 and later: members make their ids themselves, and may subscribe by expression."""

    @property
    def is_full(self) -> bool:
        """Whether all fields are sent: the member may not know its assignment."""
        subscription = self.topics is not None or self.regex is not None
        told = self.rebalance_timeout_ms != NO_TIMEOUT and self.owned is not None
        return self.epoch == JOIN_EPOCH or (subscription and told)

    @property
    def leaves(self) -> bool:
        """Whether the member leaves, for good or for a while."""
        return self.epoch in (LEAVE_EPOCH, STATIC_LEAVE_EPOCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatResult:
    """The answer; ``assignment`` only where the member must (or may have to) learn it."""

    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    member_id: str | None = None
    epoch: int = 0
    assignment: Assignment | None = None


def check_request(request: HeartbeatRequest, assignors: Sequence[str], patterns: Patterns) -> None:
    """Raises INVALID_REQUEST, UNSUPPORTED_ASSIGNOR, INVALID_REGULAR_EXPRESSION."""
    for what, value in (
        ("GroupId", request.group_id),
        ("InstanceId", request.instance_id),
        ("RackId", request.rack_id),
    ):
        if value is not None and not value.strip():
            raise _invalid(f"{what} can't be empty.")
    if request.epoch < STATIC_LEAVE_EPOCH:
        raise _invalid("MemberEpoch is invalid.")
    if not request.member_id.strip() and (request.epoch != JOIN_EPOCH or request.brings_own_id):
        raise _invalid("MemberId can't be empty.")
    if request.epoch == JOIN_EPOCH:
        _check_join(request)
    if request.epoch == STATIC_LEAVE_EPOCH and request.instance_id is None:
        raise _invalid("InstanceId can't be null.")
    if request.assignor is not None and request.assignor not in assignors:
        raise KafkaError(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {request.assignor} is not supported. Supported assignors: "
            + ", ".join(assignors)
            + ".",
        )
    if request.regex:
        patterns.get(request.regex)


def _check_join(request: HeartbeatRequest) -> None:
    if request.rebalance_timeout_ms == NO_TIMEOUT:
        raise _invalid("RebalanceTimeoutMs must be provided in first request.")
    if request.owned is None or request.owned:
        raise _invalid("TopicPartitions must be empty when (re-)joining.")
    if not request.brings_own_id and not request.topics:
        raise _invalid("SubscribedTopicNames must be set in first request.")
    if request.topics is None and request.regex is None:
        raise _invalid(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when"
            " (re-)joining."
        )


def _invalid(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
