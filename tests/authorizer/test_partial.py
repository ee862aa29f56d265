"""Requests that name what is allowed together with what is not, as the original answered them.

``User:other`` may do everything with the topic t, the group g and the transactional id tx.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.api.kit import Client, create_message, run
from tests.authorizer.messages import MISSING, T, acl, described, fetch, produce
from tests.authorizer.principals import SETTINGS, principals_by_client_id
from tests.authorizer.test_matrix import camel, prepared
from tests.places import GOLDEN

from barnabas.protocol.api import ApiKey as Api
from barnabas.protocol.codec import message_schema
from barnabas.protocol.message import Message
from barnabas.protocol.schema import Struct

M = Message
RECORDED = json.loads((GOLDEN / "security/authorization-partial.json").read_text())
LABELS = ("name", "topic", "group_id", "key", "transactional_id", "resource_name")
TOLD = ("error_code", "error_message", "authorized_operations")
THREE = (MISSING, T, "b")


def each(names: Any, **fields: Any) -> list[M]:
    return [M(name=n, partitions=[M(partition_index=0, **fields)]) for n in names]


def listed(names: Any) -> list[M]:
    return [M(name=n, partition_indexes=[0]) for n in names]


def in_transaction(*names: str) -> M:
    return M(
        v3_and_below_transactional_id="tx",
        v3_and_below_producer_id=1,
        v3_and_below_topics=[M(name=n, partitions=[0]) for n in names],
    )


OPERATIONS = {
    "include_topic_authorized_operations": True,
    "include_cluster_authorized_operations": True,
}
TWICE = create_message("dup").topics * 2
REQUESTS = [
    produce(*THREE),
    fetch(*THREE),
    M(replica_id=-1, topics=each(THREE, timestamp=-1)),
    M(topics=[M(name=n) for n in THREE], allow_auto_topic_creation=False),
    M(topics=None),
    M(group_id="g", topics=each(THREE, committed_offset=1)),
    M(groups=[M(group_id=g, topics=listed(THREE)) for g in ("nog", "g")]),
    M(groups=[M(group_id="g", topics=None)]),
    M(groups=["nog", "g"], include_authorized_operations=True),
    M(),
    M(key_type=0, coordinator_keys=["nog", "g"]),
    in_transaction(T, "b"),
    in_transaction(T, MISSING),
    M(
        transactional_id="tx",
        group_id="g",
        producer_id=1,
        topics=each((T, "b"), committed_offset=1),
    ),
    M(topics=create_message("t-2").topics + create_message(T).topics, timeout=5000),
    M(topics=TWICE, timeout=5000),
    M(topics=[M(name=MISSING), M(name="b")], timeout=5000),
    M(groups_names=["nog", "other"]),
    M(transactional_ids=["tx", "notx"]),
    M(),
    M(topics=listed((T, "b", MISSING))),
    M(group_id="g", topics=each((T, "b", MISSING))),
    M(transactional_id=None, transaction_timeout=1000),
    M(include_cluster_authorized_operations=True),
    M(topics=[M(name=T), M(name="b")], **OPERATIONS),
    M(
        resources=[
            *(r for n in (T, "b", MISSING) for r in described(2, n, "retention.ms").resources),
            *described(4, "1", "log.cleaner.threads").resources,
        ]
    ),
    M(include_cluster_authorized_operations=True),
    M(topics=[M(name=T)], **OPERATIONS),
    M(groups=["g"], include_authorized_operations=True),
]


def facts(struct: Struct, message: Any, path: str = "") -> Iterator[str]:
    """Errors, their texts and allowed operations, each with its place; what is empty."""
    for field in struct.fields:
        name, value = path + camel(field.name), getattr(message, field.name)
        if field.name in ("brokers", "configs", "node_endpoints"):
            continue
        if field.name.endswith(TOLD):
            if field.tag is None or value:
                yield f"{name}={int(value) if isinstance(value, int) else value}"
        elif field.array and field.struct is not None and value:
            for element in value:
                labels = (getattr(element, label, None) for label in LABELS)
                label = next((found for found in labels if found is not None), "")
                yield from facts(field.struct, element, f"{name}[{label}].")
        elif field.array and value is not None and not value:
            yield f"{name}=[]"


def test_allowed_and_denied_together() -> None:
    differing = []

    async def scenario(client: Client) -> None:
        world = await prepared(client)
        own = [
            acl("User:other", "TOPIC ALL", T),
            acl("User:other", "GROUP ALL", "g"),
            acl("User:other", "TRANSACTIONAL_ID ALL", "tx"),
        ]
        await world.admin(Api.CREATE_ACLS, 3, M(creations=own))
        for row, message in zip(RECORDED, REQUESTS, strict=True):
            api, version = Api(row["api"]), row["version"]
            who = "as admin" if row["case"] == "superuser" else "as other"
            answer = await client.ask(api, version, message, client_id=who)
            schema = message_schema(api, version, response=True)
            found = sorted(facts(schema, answer))
            if found != row["facts"]:
                differing.append((api.name, row["case"], row["facts"], found))

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)
    for row in differing:
        print("DIFF", json.dumps(row))
    assert differing == []
