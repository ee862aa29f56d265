"""ConsumerGroupHeartbeat v0-1 (KIP-848): a member joins, stays, acknowledges an assignment, leaves.

In v0 the coordinator may choose a new member's id. From v1 the member chooses it, and may subscribe
by a regular expression. Without ``consumer`` in ``group.coordinator.rebalance.protocols`` the
answer is UNSUPPORTED_VERSION, as in Kafka. It answers once the changes that it made are replicated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from barnabas.api.access import allowed, is_allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.when import when
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.authorizer.asking import RequestAuthorizer
from barnabas.coordinator.group.consumer.requests import HeartbeatRequest, HeartbeatResult
from barnabas.coordinator.group.records.assignment import (
    Assignment,
    TopicIdPartition,
    assignment_of,
)
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from barnabas.security.principal import KafkaPrincipal
from barnabas.types import ZERO_UUID

OWN_IDS_FROM = 1


_Topics: TypeAlias = Sequence[ConsumerGroupHeartbeatRequest.TopicPartitions]


@serves(
    ApiKey.CONSUMER_GROUP_HEARTBEAT,
    of_each((ResourceType.GROUP, AclOperation.READ), (ResourceType.TOPIC, AclOperation.DESCRIBE)),
)
def handle(services: Services, request: Request) -> Answer:
    """Waits for the in-sync replicas of the group's partition if anything has changed."""
    decoded = request.decode(ConsumerGroupHeartbeatRequest)
    groups = services.groups.consumer_groups
    refused = _refusal(services, request, decoded)
    if refused is not None:
        return _answer(request, refused, groups.settings.heartbeat_interval_ms)
    result = groups.heartbeat(
        HeartbeatRequest(
            group_id=decoded.group_id,
            member_id=decoded.member_id,
            epoch=decoded.member_epoch,
            client_id=request.client_id or "",
            client_host=f"/{request.client_host}",
            instance_id=decoded.instance_id,
            rack_id=decoded.rack_id,
            rebalance_timeout_ms=decoded.rebalance_timeout,
            topics=decoded.subscribed_topic_names,
            regex=decoded.subscribed_topic_regex,
            assignor=decoded.server_assignor,
            owned=_owned(decoded.topic_partitions),
            describable=_describable(services, request),
            rights=0 if services.authorizer is None else services.authorizer.generation,
            brings_own_id=request.api_version >= OWN_IDS_FROM,
        )
    )

    def answer(decided: HeartbeatResult) -> Pieces:
        return _answer(request, decided, groups.settings.heartbeat_interval_ms)

    return when(result, answer)


def _refusal(
    services: Services, request: Request, decoded: ConsumerGroupHeartbeatRequest
) -> HeartbeatResult | None:
    """The answer if the sender may not use the group, or not describe a topic that it names."""
    if services.authorizer is None or not services.groups.consumer_groups.settings.enabled:
        return None
    if not is_allowed(services, request, AclOperation.READ, ResourceType.GROUP, decoded.group_id):
        return HeartbeatResult(error=ErrorCode.GROUP_AUTHORIZATION_FAILED)
    described = allowed(services, request, AclOperation.DESCRIBE, ResourceType.TOPIC)
    if any(name not in described for name in decoded.subscribed_topic_names or ()):
        return HeartbeatResult(error=ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    return None


@dataclass(frozen=True, slots=True)
class _Describable:
    """The topics that a member may describe. It is also asked later, because expressions are
    matched again when topics or ACLs change. Denials are not written to the audit log, since they
    only shorten a list."""

    authorizer: RequestAuthorizer
    principal: KafkaPrincipal
    host: str

    def __contains__(self, name: object) -> bool:
        asked = (self.principal, self.host, AclOperation.DESCRIBE, ResourceType.TOPIC, str(name))
        return self.authorizer.decide(asked).allowed


def _describable(services: Services, request: Request) -> _Describable | None:
    if services.authorizer is None:
        return None
    return _Describable(services.authorizer, request.principal, request.client_host)


def _owned(
    topics: _Topics | None,
) -> Assignment | None:
    if topics is None:
        return None
    return assignment_of(
        TopicIdPartition(topic.topic_id or ZERO_UUID, number)
        for topic in topics
        for number in topic.partitions
    )


def _answer(request: Request, result: HeartbeatResult, interval_ms: int) -> Pieces:
    assignment = None
    if result.assignment is not None:
        assignment = ConsumerGroupHeartbeatResponse.Assignment(
            topic_partitions=[
                ConsumerGroupHeartbeatResponse.TopicPartitions(
                    topic_id=topic_id, partitions=list(numbers)
                )
                for topic_id, numbers in result.assignment.items()
            ]
        )
    return request.answer(
        ConsumerGroupHeartbeatResponse(
            throttle_time=0,
            error_code=result.error,
            error_message=result.message,
            member_id=result.member_id,
            member_epoch=result.epoch,
            heartbeat_interval=0 if result.error == ErrorCode.UNSUPPORTED_VERSION else interval_ms,
            assignment=assignment,
        )
    )
