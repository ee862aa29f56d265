"""DescribeClientQuotas and AlterClientQuotas, beside what the original answered and stored."""

from __future__ import annotations

import json
from typing import Any, cast

from tests.api import kit
from tests.places import GOLDEN

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import decode_request, decode_response
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.message import Message, RequestMessage
from barnabas.security.sasl.scram import credential_of
from barnabas.zk.admin import change_config
from barnabas.zookeeper.client.client import ZooKeeperClient

RECORDED = json.loads((GOLDEN / "security" / "quotas.json").read_text())
ROOTS = ("/config/users", "/config/clients", "/config/ips")
DIFFERENT = {
    (-1, None): {
        (42, "There is no match type 7."),
        (42, "A filter for one entity has to name it."),
        (42, "SCRAM-SHA-256 is a credential, which is not altered here."),
    }
}
"""What the original did not foresee, and what is said here."""


def test_as_recorded() -> None:
    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        for number, (api, version, request, answer) in enumerate(RECORDED["asked"], 1):
            frame = memoryview(bytearray.fromhex(request))
            _, offset = parse_request_header(frame)
            asked = decode_request(api, version, frame, offset)
            expected = decode_response(api, version, memoryview(bytes.fromhex(answer)), 5)
            connection = await client.connection()
            found: Any = await connection.send(
                ApiKey(api), version, cast("RequestMessage[Any]", asked), timeout_ms=10_000
            )
            _compare(found, expected)
            stored = RECORDED["znodes"].get(str(number))
            if stored is not None:
                assert await _tree(zookeeper) == stored
        await zookeeper.close()

    kit.run(scenario)


def _compare(found: Any, expected: Any) -> None:
    if hasattr(expected, "error_code"):
        _compare_codes(found, expected)
    assert _entries(found) == _entries(expected)


def _compare_codes(found: Any, expected: Any) -> None:
    told = (expected.error_code, expected.error_message)
    allowed = DIFFERENT.get(told, {told})
    assert (found.error_code, found.error_message) in allowed


def _entries(answer: Any) -> Any:
    """Of an answer; the order of described entities is chance in the original."""
    if answer.entries is None:
        return None
    entries: list[tuple[Any, Any]] = []
    for entry in answer.entries:
        parts = [(p.entity_type, p.entity_name) for p in entry.entity]
        if hasattr(entry, "values"):
            entries.append((parts, {v.key: v.value for v in entry.values}))
        else:
            told = (entry.error_code, entry.error_message)
            unforeseen = told in DIFFERENT or told in DIFFERENT[-1, None]
            entries.append((parts, -1 if unforeseen else told))
    return sorted(entries, key=str)


async def _tree(zookeeper: ZooKeeperClient) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    todo = list(ROOTS)
    while todo:
        path = todo.pop()
        names, _ = await zookeeper.children(path)
        todo += [f"{path}/{name}" for name in names]
        if path not in ROOTS:
            data, _ = await zookeeper.get(path)
            found[path] = data.decode() if data else None
    return found


def alter(entity: dict[str, str | None], **quotas: float | None) -> Message:
    return Message(
        entries=[
            Message(
                entity=[Message(entity_type=k, entity_name=n) for k, n in entity.items()],
                ops=[
                    Message(key=key, value=value or 0.0, remove=value is None)
                    for key, value in quotas.items()
                ],
            )
        ],
        validate_only=False,
    )


EVERYTHING = Message(components=[], strict=False)


def test_in_every_version_at_any_broker() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.ALTER_CLIENT_QUOTAS):
            message = alter({"user": f"u{version}"}, request_percentage=12.5)
            for broker in (1, 2):
                answer = await client.ask(
                    ApiKey.ALTER_CLIENT_QUOTAS, version, message, broker=broker
                )
                assert [e.error_code for e in answer.entries] == [0]
        for version in kit.versions(ApiKey.DESCRIBE_CLIENT_QUOTAS):
            for broker in (1, 2):
                found = await client.ask(
                    ApiKey.DESCRIBE_CLIENT_QUOTAS, version, EVERYTHING, broker=broker
                )
                assert [e.entity[0].entity_name for e in found.entries] == ["u0", "u1"]

    kit.run(scenario, brokers=2)


def test_quotas_and_credentials_share_a_node() -> None:
    credential = credential_of("SCRAM-SHA-256", b"p" * 32, b"salt", 4096).text()

    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        await change_config(zookeeper, "users/u", lambda old: {**old, "SCRAM-SHA-256": credential})
        api = ApiKey.ALTER_CLIENT_QUOTAS
        await client.ask(api, 1, alter({"user": "u"}, producer_byte_rate=5.0))
        data, _ = await zookeeper.get("/config/users/u")
        assert json.loads(data)["config"] == {
            "SCRAM-SHA-256": credential,
            "producer_byte_rate": "5",
        }
        refused = await client.ask(api, 1, alter({"user": "u"}, **{"SCRAM-SHA-256": None}))
        assert refused.entries[0].error_code == ErrorCode.INVALID_REQUEST
        await client.ask(api, 1, alter({"user": "u"}, producer_byte_rate=None))
        data, _ = await zookeeper.get("/config/users/u")
        assert json.loads(data)["config"] == {"SCRAM-SHA-256": credential}
        await zookeeper.close()

    kit.run(scenario)


def test_a_user_whose_clients_have_quotas_stays() -> None:
    async def scenario(client: kit.Client) -> None:
        zookeeper = await kit.zookeeper(client.env)
        api = ApiKey.ALTER_CLIENT_QUOTAS
        both: dict[str, str | None] = {"user": "u", "client-id": None}
        await client.ask(api, 1, alter(both, producer_byte_rate=5.0))
        await client.ask(api, 1, alter({"user": "u"}, producer_byte_rate=6.0))
        await client.ask(api, 1, alter({"user": "u"}, producer_byte_rate=None))
        assert sorted(await _tree(zookeeper)) == [
            "/config/users/u",
            "/config/users/u/clients",
            "/config/users/u/clients/<default>",
        ]
        await client.ask(api, 1, alter(both, producer_byte_rate=None))
        assert await _tree(zookeeper) == {}
        await zookeeper.close()

    kit.run(scenario)
