"""FindCoordinator v0-6: the broker that coordinates a group or (key type 1) a transactional id;
from v4 for several of them.

The first such request creates ``__consumer_offsets`` or ``__transaction_state``, and waits a little
for their leaders, so that the client need not ask again. If a coordinator has just died, the
request waits for its successor. Share groups (type 2, from v6) have no coordinator here.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator

from barnabas.api.access import EVERYTHING, allowed
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.services import Services
from barnabas.api.throttling import mutation_charge
from barnabas.api.topic_creation import auto_create
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.coordinator.group.placement import OFFSETS_TOPIC
from barnabas.coordinator.transaction.records import TRANSACTION_TOPIC
from barnabas.errors import TEXTS, ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.find_coordinator import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from barnabas.replication.neighbours import Standing
from barnabas.types import TopicPartition

log = logging.getLogger(__name__)

GROUP, TRANSACTION, SHARE = 0, 1, 2
_TOPICS = {GROUP: OFFSETS_TOPIC, TRANSACTION: TRANSACTION_TOPIC}
BATCHED_FROM = 4
LEADERS_TIMEOUT_MS = 2_000

SHARE_FROM = 6


@serves(
    ApiKey.FIND_COORDINATOR,
    of_each(
        (ResourceType.GROUP, AclOperation.DESCRIBE),
        (ResourceType.TRANSACTIONAL_ID, AclOperation.DESCRIBE),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Answers at once if the topic has leaders."""
    decoded = request.decode(FindCoordinatorRequest)
    key_type = decoded.key_type
    keys = list(decoded.coordinator_keys) if request.api_version >= BATCHED_FROM else [decoded.key]
    if key_type in _TOPICS:
        kind = ResourceType.GROUP if key_type == GROUP else ResourceType.TRANSACTIONAL_ID
        described = allowed(services, request, AclOperation.DESCRIBE, kind)
        wanted = [key for key in keys if key in described]
        if any(
            _leader(services, request, key_type, key) is None for key in wanted
        ) or services.neighbours.unconfirmed(_announced(services, key_type, wanted)):
            return _later(services, request, key_type, keys, described)
        return _answer(services, request, key_type, keys, described)
    return _answer(services, request, key_type, keys, EVERYTHING)


async def _later(
    services: Services,
    request: Request,
    key_type: int,
    asked: list[str],
    described: Container[str],
) -> Pieces:
    topic = _TOPICS[key_type]
    keys = [key for key in asked if key in described]
    await _create(services, request, topic)
    await services.neighbours.confirm(_announced(services, key_type, keys))
    await services.neighbours.successors(lambda: _announced(services, key_type, keys))
    await services.metadata_shows(
        lambda: all(_leader(services, request, key_type, key) is not None for key in keys),
        LEADERS_TIMEOUT_MS if services.metadata.partitions(topic) is not None else 0,
    )
    return _answer(services, request, key_type, asked, described)


async def _create(services: Services, request: Request, topic: str) -> None:
    """Create the topic, if there are enough live brokers."""
    creating = services.creating_topics
    if services.metadata.partitions(topic) is None and topic not in creating:
        creating[topic] = None
        try:
            charge = mutation_charge(services, request, strict=False, told=False)
            await auto_create(services, topic, charge)
        except KafkaError as error:
            if error.code != ErrorCode.TOPIC_ALREADY_EXISTS:
                log.error("%s cannot be created: %s", topic, error)
                return
        finally:
            del creating[topic]
    await services.metadata_shows(
        lambda: services.metadata.partitions(topic) is not None, LEADERS_TIMEOUT_MS
    )


def _announced(services: Services, key_type: int, keys: list[str]) -> Iterator[int]:
    """The leaders of the keys' partitions, as the controller announced them."""
    for key in keys:
        known = services.metadata.partition(_partition(services, key_type, key))
        if known is not None:
            yield known.leader


def _partition(services: Services, key_type: int, key: str) -> TopicPartition:
    coordinator = services.groups if key_type == GROUP else services.transactions
    return TopicPartition(_TOPICS[key_type], coordinator.partition_of(key))


def _leader(
    services: Services, request: Request, key_type: int, key: str
) -> tuple[int, str, int] | None:
    """(broker, host, port) of the coordinator of a key, on the request's listener. None if there is
    none, or if its connection to this broker has broken."""
    known = services.metadata.partition(_partition(services, key_type, key))
    if known is None or services.neighbours.standing(known.leader) is not Standing.NAMED:
        return None
    endpoint = services.metadata.endpoint(known.leader, request.listener)
    return None if endpoint is None else (known.leader, endpoint.host, endpoint.port)


def _answer(
    services: Services,
    request: Request,
    key_type: int,
    keys: list[str],
    described: Container[str],
) -> Pieces:
    coordinators = [
        _coordinator(services, request, key_type, key)
        if key in described
        else _denied(key_type, key)
        for key in keys
    ]
    if request.api_version >= BATCHED_FROM:
        for coordinator in coordinators:
            # Since v4 there is a field for a text, but Kafka fills it only for unknown types.
            if key_type in (GROUP, TRANSACTION, SHARE):
                coordinator.error_message = ""
        return request.answer(FindCoordinatorResponse(throttle_time=0, coordinators=coordinators))
    only = coordinators[0]
    return request.answer(
        FindCoordinatorResponse(
            throttle_time=0,
            error_code=only.error_code,
            error_message=only.error_message,
            node_id=only.node_id,
            host=only.host,
            port=only.port,
        )
    )


def _denied(key_type: int, key: str) -> FindCoordinatorResponse.Coordinator:
    error = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    if key_type == GROUP:
        error = ErrorCode.GROUP_AUTHORIZATION_FAILED
    text = TEXTS.get(error, error.name)
    return FindCoordinatorResponse.Coordinator(
        key=key, error_code=error, error_message=text, node_id=-1, host="", port=-1
    )


def _coordinator(
    services: Services, request: Request, key_type: int, key: str
) -> FindCoordinatorResponse.Coordinator:
    found, error = None, ErrorCode.COORDINATOR_NOT_AVAILABLE
    if key_type in _TOPICS:
        found = _leader(services, request, key_type, key)
    elif key_type != SHARE or request.api_version < SHARE_FROM:
        error = ErrorCode.INVALID_REQUEST
    if found is not None:
        error = ErrorCode.NONE
    node_id, host, port = found or (-1, "", -1)
    return FindCoordinatorResponse.Coordinator(
        key=key,
        error_code=error,
        error_message=TEXTS.get(error, error.name),
        node_id=node_id,
        host=host,
        port=port,
    )
