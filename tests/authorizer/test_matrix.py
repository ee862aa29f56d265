"""The authorization matrix of the original, cell by cell: every API, asked by somebody without any
ACL, by one user for each ACL that there can be, and by a super user.

An answer is compared by its error codes, each with its place, and by which of its lists are empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.api.kit import Client, run
from tests.authorizer.matrix import GRANTS, Case, World
from tests.authorizer.matrix_cases import CASES
from tests.authorizer.messages import T, acl, produce
from tests.authorizer.principals import SETTINGS, principals_by_client_id
from tests.places import GOLDEN

from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import message_schema
from barnabas.protocol.message import Message
from barnabas.protocol.schema import Struct

RECORDED = {
    (row["api"], row["version"], row["case"]): row
    for row in json.loads((GOLDEN / "security/authorization-matrix.json").read_text())
}


def test_every_recorded_cell_is_asked() -> None:
    asked = [(int(case.api), case.version, case.name) for case in CASES]
    assert len(asked) == len(set(asked))
    assert [key for key in RECORDED if key not in asked] == []
    assert [key for key in asked if key not in RECORDED] == []


def camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def signature(struct: Struct, message: Any, path: str = "") -> Iterator[str]:
    """Error codes with their places, and which lists are empty, in the order of the answer."""
    for field in sorted(struct.fields, key=lambda field: field.tag is not None):
        name, value = path + camel(field.name), getattr(message, field.name)
        if field.tag is not None and not (field.name.endswith("error_code") and value):
            continue  # as good as absent
        if field.name.endswith("error_code"):
            yield f"{name}={int(value)}"
        elif field.array and value is None:
            if field.name in ("topics", "groups", "results"):
                yield f"{name}=null"
        elif field.array and not value:
            yield f"{name}=[]"
        elif field.array and field.struct is not None:
            for index, element in enumerate(value):
                yield from signature(field.struct, element, f"{name}[{index}].")
        elif field.struct is not None and value is not None:
            yield from signature(field.struct, value, f"{name}.")


def known(case: Case, expected: list[str], found: list[str]) -> bool:
    """Whether an answer differs as ``docs/differences.md`` says."""
    # Their order is chance there.
    if case.name.startswith(("list of an existing", "all topics")):
        return sorted(last_parts(expected)) == sorted(last_parts(found))
    if expected == ["no answer (TimeoutError)"]:
        return found == ["ErrorCode=31", "Results=[]"]
    if case.api is ApiKey.ALTER_CLIENT_QUOTAS:
        return expected == ["Entries[0].ErrorCode=0"] and found == ["Entries[0].ErrorCode=35"]
    return False


def last_parts(parts: list[str]) -> list[str]:
    return [part.rpartition(".")[2] for part in parts]


async def ask(world: World, case: Case, who: str, tag: str, *, prepare: bool = True) -> list[str]:
    if prepare and case.setup is not None:
        await case.setup(world, tag)
    message = case.body(world, tag)
    try:
        if case.api is ApiKey.PRODUCE and message.acks == 0:
            connection = await world.client.connection(1, who)
            connection.post(case.api, case.version, message)
            await world.client.ask(ApiKey.API_VERSIONS, 0, Message(), client_id=who)
            return ["nothing sent, connection stays open"]
        answer = await world.client.ask(case.api, case.version, message, client_id=who)
    except OSError:
        return ["connection closed"]
    schema = message_schema(case.api, case.version, response=True)
    return list(signature(schema, answer))


def user(grant: str) -> str:
    return grant.lower().replace("_", "").replace(" ", "-")


async def prepared(client: Client) -> World:
    world = World(client)
    await world.topic(T)
    await world.topic("b")
    grants = [
        acl(f"User:{user(grant)}", grant, "User:owner" if grant.startswith("USER") else "")
        for grant in GRANTS
    ]
    kinds = ("TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID")
    everything = [acl("User:admin", f"{kind} ALL") for kind in kinds]
    created = await world.admin(ApiKey.CREATE_ACLS, 3, Message(creations=grants + everything))
    assert all(result.error_code == 0 for result in created.results), created
    token = Message(renewers=[], max_lifetime=-1)
    made = await client.ask(ApiKey.CREATE_DELEGATION_TOKEN, 3, token, client_id="as owner")
    world.hmac = bytes(made.hmac)
    await world.group("g")
    await world.admin(ApiKey.PRODUCE, 9, produce(T))
    while True:
        await world.admin(ApiKey.FIND_COORDINATOR, 3, Message(key="tx", key_type=1))
        begun = await world.admin(
            ApiKey.INIT_PRODUCER_ID,
            4,
            Message(transactional_id="tx", transaction_timeout=900_000),
        )
        if begun.error_code == 0:
            break
    await world.admin(
        ApiKey.ADD_PARTITIONS_TO_TXN,
        3,
        Message(
            v3_and_below_transactional_id="tx",
            v3_and_below_producer_id=begun.producer_id,
            v3_and_below_producer_epoch=begun.producer_epoch,
            v3_and_below_topics=[Message(name=T, partitions=[0])],
        ),
    )
    return world


def test_each_cell() -> None:
    differing = []

    async def scenario(client: Client) -> None:
        world = await prepared(client)
        for number, case in enumerate(CASES):
            row = RECORDED[int(case.api), case.version, case.name]
            for who, expected in (
                ("nobody", row["nobody"]),
                *((user(g), row["grants"].get(g, row["nobody"])) for g in GRANTS),
                ("admin", row["super"]),
            ):
                found = await ask(world, case, f"as {who}", f"{number}-{who}")
                if found != expected and not known(case, expected, found):
                    differing.append((case.api.name, case.version, case.name, who, expected, found))

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)
    for row in differing:
        print("DIFF", json.dumps(row))
    assert differing == []
