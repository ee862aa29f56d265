"""Requests as the tests of authorization send them."""

from __future__ import annotations

from typing import Any

from barnabas.authorizer.acl import AclOperation, ResourceType
from barnabas.protocol.message import Message
from barnabas.records.batch import Record, build_batch

M = Message
T, MISSING = "t", "nope"
"""A topic that there is, and one that there is not."""


def batch(**identity: Any) -> bytes:
    return bytes(build_batch([Record(offset=0, timestamp=1, key=None, value=b"v")], **identity))


def produce(*topics: str, acks: int = 1, name: str | None = None, **identity: Any) -> M:
    data = [M(name=t, partition_data=[M(index=0, records=batch(**identity))]) for t in topics]
    return M(transactional_id=name, acks=acks, timeout=5000, topic_data=data)


def fetch(*topics: Any, **others: Any) -> M:
    """Topics by name or by id."""
    wanted = [M(partition=0, fetch_offset=0, partition_max_bytes=1000)]
    return M(
        max_wait=0,
        min_bytes=0,
        max_bytes=1 << 20,
        topics=[M(topic=t, topic_id=t, partitions=wanted) for t in topics],
        **others,
    )


def partitions(name: str, **fields: Any) -> M:
    return M(name=name, partitions=[M(partition_index=0, **fields)])


def config(kind: int, name: str, key: str, value: str, **others: Any) -> M:
    entry = M(name=key, value=value, config_operation=0)
    return M(resources=[M(resource_type=kind, resource_name=name, configs=[entry])], **others)


def described(kind: int, name: str, key: str) -> M:
    resource = M(resource_type=kind, resource_name=name, configuration_keys=[key])
    return M(resources=[resource])


def acl(principal: str, grant: str, name: str = "") -> M:
    """An ALLOW for everything of a type, or for what is named."""
    kind, operation = grant.split()
    return M(
        resource_type=int(ResourceType[kind]),
        resource_name=name or ("kafka-cluster" if kind == "CLUSTER" else "*"),
        resource_pattern_type=3,
        principal=principal,
        host="*",
        operation=int(AclOperation[operation]),
        permission_type=3,
    )


def acl_filter(kind: int, name: str | None, pattern_type: int, principal: str | None = None) -> M:
    return M(
        resource_type_filter=kind,
        resource_name_filter=name,
        pattern_type_filter=pattern_type,
        principal_filter=principal,
        host_filter=None,
        operation=1,
        permission_type=1,
    )
