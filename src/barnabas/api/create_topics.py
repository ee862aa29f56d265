"""CreateTopics v0-7: creates topics. Only the controller serves it.

The topic is written to ZooKeeper; the controller's watch notices it there. The answer is sent once
this broker's metadata shows a leader for every partition. After the request's timeout it is
REQUEST_TIMED_OUT, and the creation continues. ``validate_only`` writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

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
    closed: frozenset[int] | None = None
    for place_in_answer, topic in enumerate(decoded.topics):
        if results[place_in_answer] is None:
            try:
                if closed is None and not topic.assignments:
                    closed = await drained(services)
                result = await _create_one(
                    *(services, request, topic, closed or frozenset()),
                    *(decoded.validate_only, placed, charge),
                )
            except KafkaError as error:
                result = _failure(topic.name, error)
            results[place_in_answer] = result
    answered = [result for result in results if result is not None]
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


async def _create_one(
    services: Services,
    request: Request,
    topic: CreateTopicsRequest.CreatableTopic,
    closed: Container[int],
    validate_only: bool,
    placed: dict[str, Assignment],
    charge: Charge,
) -> CreateTopicsResponse.CreatableTopicResult:
    if services.metadata.partitions(topic.name) is not None:
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
    if nulls := [c.name for c in topic.configs if c.value is None]:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Null value not supported for topic configs: {','.join(nulls)}",
        )
    manual = {a.partition_index: tuple(a.broker_ids) for a in topic.assignments}
    overrides = {c.name: c.value for c in topic.configs if c.value is not None}
    assignment = place(
        services,
        closed,
        partitions=topic.num_partitions,
        replication_factor=topic.replication_factor,
        manual=manual,
    )
    topic_id = await create(
        services, topic.name, assignment, overrides, validate_only=validate_only, charge=charge
    )
    placed[topic.name] = assignment
    config = TopicConfig(services.config, overrides)
    return CreateTopicsResponse.CreatableTopicResult(
        name=topic.name,
        topic_id=None if validate_only else topic_id,
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
