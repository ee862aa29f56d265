"""The audit log: the original's lines, for what it says at all."""

from __future__ import annotations

import logging

import pytest

from barnabas.authorizer.acl import (
    AccessControlEntry,
    AclOperation,
    AclPermissionType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.audit import enabled, record
from barnabas.authorizer.decision import AclIndex, Policy, Question
from barnabas.protocol.api import ApiKey
from barnabas.security.principal import KafkaPrincipal

BOB, ADMIN = KafkaPrincipal("User", "bob"), KafkaPrincipal("User", "admin")
LOGGER = "kafka.authorizer.logger"
POLICY = Policy(super_users=frozenset({ADMIN}))


def index() -> AclIndex:
    found = AclIndex()
    entry = AccessControlEntry("User:bob", "*", AclOperation.READ, AclPermissionType.ALLOW)
    found.put(ResourcePattern(ResourceType.TOPIC, "m-one"), [entry])
    return found


def lines(
    caplog: pytest.LogCaptureFixture,
    level: int,
    who: KafkaPrincipal,
    operation: AclOperation,
    resource: tuple[ResourceType, str | None],
    api: ApiKey,
) -> list[str]:
    question = Question(who, "127.0.0.1", operation, *resource)
    decision = index().decide(POLICY, question)
    caplog.clear()
    with caplog.at_level(level, LOGGER):
        if enabled(allowed=decision.allowed):
            record(question, decision, api)
    return [f"{r.levelname} {r.getMessage()}" for r in caplog.records]


TOPIC = (ResourceType.TOPIC, "m-one")
CLUSTER = (ResourceType.CLUSTER, "kafka-cluster")


def test_the_lines_of_the_original(caplog: pytest.LogCaptureFixture) -> None:
    """Recorded, at DEBUG."""
    debug = logging.DEBUG
    assert lines(caplog, debug, ADMIN, AclOperation.ALTER, CLUSTER, ApiKey.CREATE_ACLS) == [
        "DEBUG principal = User:admin is a super user, allowing operation without checking acls.",
        "DEBUG Principal = User:admin is Allowed Operation = Alter from host = 127.0.0.1 on"
        " resource = Cluster:LITERAL:kafka-cluster for request = CreateAcls"
        " with resourceRefCount = 1",
    ]
    assert lines(caplog, debug, BOB, AclOperation.READ, TOPIC, ApiKey.FETCH) == [
        "DEBUG operation = READ on resource = ResourcePattern(resourceType=TOPIC, name=m-one,"
        " patternType=LITERAL) from host = 127.0.0.1 is ALLOW based on acl = User:bob has ALLOW"
        " permission for operations: READ from hosts: *",
        "DEBUG Principal = User:bob is Allowed Operation = Read from host = 127.0.0.1 on"
        " resource = Topic:LITERAL:m-one for request = Fetch with resourceRefCount = 1",
    ]
    other = (ResourceType.TOPIC, "m-two")
    assert lines(caplog, debug, BOB, AclOperation.READ, other, ApiKey.FETCH) == [
        "DEBUG No acl found for resource ResourcePattern(resourceType=TOPIC, name=m-two,"
        " patternType=LITERAL), authorized = false",
        "INFO Principal = User:bob is Denied Operation = Read from host = 127.0.0.1 on"
        " resource = Topic:LITERAL:m-two for request = Fetch with resourceRefCount = 1",
    ]
    any_topic = (ResourceType.TOPIC, None)
    assert lines(caplog, debug, BOB, AclOperation.WRITE, any_topic, ApiKey.INIT_PRODUCER_ID) == [
        "INFO Principal = User:bob is Denied Operation = Write from host = 127.0.0.1 on"
        " resource = Topic:UNKNOWN:NONE for request = InitProducerId with resourceRefCount = 0",
    ]


def test_what_is_allowed_is_not_said_at_info(caplog: pytest.LogCaptureFixture) -> None:
    info = logging.INFO
    assert lines(caplog, info, BOB, AclOperation.READ, TOPIC, ApiKey.FETCH) == []
    denied = lines(caplog, info, BOB, AclOperation.DESCRIBE_CONFIGS, TOPIC, ApiKey.DESCRIBE_CONFIGS)
    assert denied == [
        "INFO Principal = User:bob is Denied Operation = DescribeConfigs from host = 127.0.0.1 on"
        " resource = Topic:LITERAL:m-one for request = DescribeConfigs with resourceRefCount = 1"
    ]
    assert lines(caplog, logging.WARNING, BOB, AclOperation.WRITE, TOPIC, ApiKey.PRODUCE) == []
