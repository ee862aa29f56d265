"""CreateAcls, DescribeAcls, DeleteAcls: one sequence of requests, answered as by the original."""

from __future__ import annotations

import json
from typing import Any

from tests.api.kit import Client, run
from tests.authorizer.principals import SETTINGS, principals_by_client_id
from tests.places import GOLDEN

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

RECORDED = json.loads((GOLDEN / "security/acl-requests.json").read_text())
CREATION = (
    *("resource_type", "resource_name", "resource_pattern_type"),
    *("principal", "host", "operation", "permission_type"),
)
FILTER = (
    *("resource_type_filter", "resource_name_filter", "pattern_type_filter"),
    *("principal_filter", "host_filter", "operation", "permission_type"),
)


def created(answer: Any) -> Any:
    return [[r.error_code, r.error_message] for r in answer.results]


def described(answer: Any) -> Any:
    acls = [
        [
            *(r.resource_type, r.resource_name, r.pattern_type),
            *(a.principal, a.host, a.operation, a.permission_type),
        ]
        for r in answer.resources
        for a in r.acls
    ]
    return [answer.error_code, answer.error_message, sorted(acls)]


def deleted(answer: Any) -> Any:
    def acl(m: Any) -> list[Any]:
        return [
            *(m.error_code, m.error_message),
            *(m.resource_type, m.resource_name, m.pattern_type),
            *(m.principal, m.host, m.operation, m.permission_type),
        ]

    return [
        [f.error_code, f.error_message, sorted(map(acl, f.matching_acls))]
        for f in answer.filter_results
    ]


def request(api: str, asked: list[list[Any]]) -> Message:
    fields = CREATION if api == "create" else FILTER
    items = [Message(**dict(zip(fields, item, strict=True))) for item in asked]
    if api == "describe":
        return items[0]
    return Message(creations=items, filters=items)


READ = {
    "create": (ApiKey.CREATE_ACLS, created),
    "describe": (ApiKey.DESCRIBE_ACLS, described),
    "delete": (ApiKey.DELETE_ACLS, deleted),
}


def test_the_answers_of_the_original() -> None:
    async def scenario(client: Client) -> None:
        for step in RECORDED:
            key, read = READ[step["api"]]
            message = request(step["api"], step["asked"])
            try:
                answer = read(await client.ask(key, step["version"], message))
            except OSError:
                answer = "connection closed"
            if step["answer"] is not None:
                assert json.loads(json.dumps(answer)) == step["answer"], step["what"]

    run(scenario, settings=SETTINGS)


def test_every_broker_takes_them_and_all_obey() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t")
        wanted = Message(topics=[Message(name="t")], allow_auto_topic_creation=False)

        async def denied(broker: int) -> bool:
            view = await client.ask(
                ApiKey.METADATA, 12, wanted, broker=broker, client_id="as alice"
            )
            return bool(view.topics[0].error_code == 29)

        acl = request("create", [[2, "t", 3, "User:alice", "*", 8, 3]])
        found = request("delete", [[2, "t", 3, "User:alice", None, 1, 1]])
        for writer, reader in ((1, 2), (2, 1)):
            assert await denied(reader)
            await client.ask(ApiKey.CREATE_ACLS, 3, acl, broker=writer)
            assert not await denied(writer)
            while await denied(reader):
                pass
            await client.ask(ApiKey.DELETE_ACLS, 3, found, broker=writer)
            assert await denied(writer)
            while not await denied(reader):
                pass

    with principals_by_client_id():
        run(scenario, brokers=2, settings=SETTINGS)


def test_a_name_that_is_no_path_is_refused_as_by_the_original() -> None:
    async def scenario(client: Client) -> None:
        for name in (".", "..", "a\0b"):
            acl = request("create", [[3, name, 3, "User:alice", "*", 3, 3]])
            answer = await client.ask(ApiKey.CREATE_ACLS, 3, acl)
            assert created(answer) == [[-1, None]]

    run(scenario, settings=SETTINGS)
