"""CreateTopics v0-7: creates topics. Only the controller serves it.

The topic is written to ZooKeeper; the controller's watch notices it there. The answer is sent once
this broker's metadata shows a leader for every partition. After the request's timeout it is
REQUEST_TIMED_OUT, and the creation continues. ``validate_only`` writes nothing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence

from barnabas.admin.topics import PARTITIONS_PER_REQUEST_MAX, Assignment
from barnabas.api.access import EVERYTHING, allowed, is_allowed_on_cluster
from barnabas.api.describe_configs import topic_messages
from barnabas.api.registry import of_each, serves
from barnabas.api.request import Answer, Pieces, Request, Steps
from barnabas.api.services import Services
from barnabas.api.throttling import Charge, mutation_charge
from barnabas.api.topic_creation import create, drained, place, shown_late
from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.config.topic_config import TopicConfig
from barnabas.errors import ErrorCode, KafkaError
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse

STRICT_FROM = 6
"""Clients of this version know THROTTLING_QUOTA_EXCEEDED (KIP-599)."""
CLUSTER_METADATA_TOPIC = "__cluster_metadata"
"""KRaft's own log, so no ordinary topic may have its name."""
CREATED_AT_ONCE = 100
"""Topics that are written to ZooKeeper side by side."""


@serves(
    ApiKey.CREATE_TOPICS,
    of_each(
        (ResourceType.CLUSTER, AclOperation.CREATE),
        (ResourceType.TOPIC, AclOperation.CREATE),
        (ResourceType.TOPIC, AclOperation.DESCRIBE_CONFIGS),
    ),
)
def handle(services: Services, request: Request) -> Answer:
    """Creates each topic separately: if one is refused, the others are still created."""
    return _create_all(services, request)


async def _create_all(services: Services, request: Request) -> Pieces:
    decoded = request.decode(CreateTopicsRequest)
    placed: dict[str, Assignment] = {}
    shown = allowed(
        services, request, AclOperation.DESCRIBE_CONFIGS, ResourceType.TOPIC, quiet=True
    )
    results = await request.in_turns(_refused_at_once(services, request, decoded.topics))
    _hide_settings(shown, (r for r in results if r and r.error_code != ErrorCode.NOT_CONTROLLER))
    charge = mutation_charge(services, request, strict=request.api_version >= STRICT_FROM)
    pairs = zip(decoded.topics, results, strict=True)
    creatable = [topic for topic, result in pairs if result is None]
    closed = await _closed(services, creatable)
    made: list[CreateTopicsResponse.CreatableTopicResult] = []
    for group in _groups(creatable):
        creations = (
            _create_one(services, topic, closed, decoded.validate_only, charge) for topic in group
        )
        outcomes = await asyncio.gather(*creations)
        for topic, outcome in zip(group, outcomes, strict=True):
            made.append(await _result(services, request, topic, outcome))
            if not isinstance(outcome, KafkaError):
                placed[topic.name] = outcome[1]
    in_order = iter(made)
    answered = [next(in_order) if result is None else result for result in results]
    if placed and not decoded.validate_only:
        await request.while_asked(_wait(services, placed, answered, decoded.timeout))
    _hide_settings(shown, (r for r in answered if r.error_code == ErrorCode.NONE))
    return await request.in_turns(
        request.answer_in_steps(CreateTopicsResponse(throttle_time=0, topics=answered))
    )


def _hide_settings(
    shown: Container[str], results: Iterable[CreateTopicsResponse.CreatableTopicResult]
) -> None:
    """Remove the settings from results whose topics the sender may not describe: those of created
    topics, and of topics that were refused before anything was tried."""
    for result in results:
        if result.name not in shown:
            result.topic_config_error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
            result.num_partitions = result.replication_factor = -1
            result.configs = []


def _refused_at_once(
    services: Services, request: Request, topics: Sequence[CreateTopicsRequest.CreatableTopic]
) -> Steps[list[CreateTopicsResponse.CreatableTopicResult | None]]:
    """The results of topics that are refused at once; None for each that may be created."""
    results: list[CreateTopicsResponse.CreatableTopicResult | None] = []
    asked = Counter(t.name for t in topics)
    partitions = 0
    creatable: Container[str] = EVERYTHING
    if services.controller.is_active and not is_allowed_on_cluster(
        services, request, AclOperation.CREATE, quiet=True
    ):
        creatable = allowed(services, request, AclOperation.CREATE, ResourceType.TOPIC)
    for topic in topics:
        yield 1
        count = max(topic.num_partitions, len(topic.assignments), 1)
        try:
            if not services.controller.is_active:
                raise KafkaError(ErrorCode.NOT_CONTROLLER)
            _check_request(topic.name, asked)
            if topic.name not in creatable:
                code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
                raise KafkaError(code, "Authorization failed.")
            if count <= PARTITIONS_PER_REQUEST_MAX < partitions + count:
                raise KafkaError(
                    ErrorCode.POLICY_VIOLATION,
                    "Excessively large number of partitions per request.",
                )
            partitions += count
            results.append(None)
        except KafkaError as error:
            results.append(_failure(topic.name, error))
    return results


def _check_request(name: str, asked: Counter[str]) -> None:
    if asked[name] > 1:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Found multiple entries for this topic.")
    if name == CLUSTER_METADATA_TOPIC:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"Creation of internal topic {name} is prohibited."
        )


async def _closed(
    services: Services, topics: Iterable[CreateTopicsRequest.CreatableTopic]
) -> frozenset[int] | KafkaError:
    """The drained brokers, if they matter, or why they are not known."""
    if all(topic.assignments for topic in topics):
        return frozenset()
    try:
        return await drained(services)
    except KafkaError as error:
        return error


def _groups(
    topics: Sequence[CreateTopicsRequest.CreatableTopic],
) -> Iterator[list[CreateTopicsRequest.CreatableTopic]]:
    """Topics that are written side by side, so that they become durable together. Of names that
    differ only in ``.`` and ``_`` each has its turn, since the first forbids the others."""
    group: list[CreateTopicsRequest.CreatableTopic] = []
    alike: set[str] = set()
    for topic in topics:
        plain = topic.name.replace(".", "_")
        if plain in alike or len(group) == CREATED_AT_ONCE:
            yield group
            group, alike = [], set()
        group.append(topic)
        alike.add(plain)
    if group:
        yield group


async def _create_one(
    services: Services,
    topic: CreateTopicsRequest.CreatableTopic,
    closed: frozenset[int] | KafkaError,
    validate_only: bool,
    charge: Charge,
) -> tuple[uuid.UUID | None, Assignment] | KafkaError:
    """The id of the new topic (None if it is only validated) and its replicas, or why there is
    none."""
    try:
        if services.metadata.partitions(topic.name) is not None:
            raise KafkaError(
                ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists."
            )
        if nulls := [c.name for c in topic.configs if c.value is None]:
            raise KafkaError(
                ErrorCode.INVALID_CONFIG,
                f"Null value not supported for topic configs: {','.join(nulls)}",
            )
        if isinstance(closed, KafkaError):
            if not topic.assignments:
                raise closed
            closed = frozenset()
        assignment = place(
            services,
            closed,
            partitions=topic.num_partitions,
            replication_factor=topic.replication_factor,
            manual={a.partition_index: tuple(a.broker_ids) for a in topic.assignments},
        )
        topic_id = await create(
            *(services, topic.name, assignment, _overrides(topic)),
            manual=bool(topic.assignments),
            validate_only=validate_only,
            charge=charge,
        )
    except KafkaError as error:
        return error
    return None if validate_only else topic_id, assignment


def _overrides(topic: CreateTopicsRequest.CreatableTopic) -> dict[str, str]:
    return {c.name: c.value for c in topic.configs if c.value is not None}


async def _result(
    services: Services,
    request: Request,
    topic: CreateTopicsRequest.CreatableTopic,
    outcome: tuple[uuid.UUID | None, Assignment] | KafkaError,
) -> CreateTopicsResponse.CreatableTopicResult:
    if isinstance(outcome, KafkaError):
        return _failure(topic.name, outcome)
    topic_id, assignment = outcome
    config = TopicConfig(services.config, _overrides(topic))
    return CreateTopicsResponse.CreatableTopicResult(
        name=topic.name,
        topic_id=topic_id,
        error_code=ErrorCode.NONE,
        error_message=None,
        topic_config_error_code=0,
        num_partitions=len(assignment),
        replication_factor=len(assignment[0]),
        configs=await request.in_turns(topic_messages(services.config, config)),
    )


async def _wait(
    services: Services,
    placed: dict[str, Assignment],
    results: list[CreateTopicsResponse.CreatableTopicResult],
    timeout_ms: int,
) -> None:
    counts = {name: len(assignment) for name, assignment in placed.items()}
    late = set(await shown_late(services, counts, timeout_ms))
    for result in results:
        if result.error_code == ErrorCode.NONE and result.name in late:
            result.error_code = ErrorCode.REQUEST_TIMED_OUT
            result.num_partitions = result.replication_factor = -1
            result.configs = []


def _failure(name: str, error: KafkaError) -> CreateTopicsResponse.CreatableTopicResult:
    return CreateTopicsResponse.CreatableTopicResult(
        name=name,
        topic_id=None,
        error_code=error.code,
        error_message="" if error.code == ErrorCode.NOT_CONTROLLER else error.message or None,
        topic_config_error_code=0,
        num_partitions=-1,
        replication_factor=-1,
        configs=[],
    )
