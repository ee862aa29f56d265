"""ACLs for those who have logged in: whoever a SASL listener let in is asked about.

Brokers, who are super users, ask of each other what clients may not.
"""

from __future__ import annotations

from typing import Any

from tests.api import kit
from tests.api.kit import Client
from tests.authorizer.messages import acl
from tests.broker.test_sasl_listener import CLIENTS, SASL, _as, _with_users

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.security import client as secure

AUTHORIZER = {
    "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
    "super.users": "User:broker;User:ANONYMOUS",
}


def test_users_are_told_apart() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t", 1, 2)
        rights = [acl("User:alice", "TOPIC WRITE", "t"), acl("User:bob", "CLUSTER DESCRIBE")]
        await client.ask(ApiKey.CREATE_ACLS, 3, Message(creations=rights))

        async def codes(user: str, password: str) -> tuple[int, int, int]:
            connection = await secure.connect(
                "b1", CLIENTS, client_id="c", timeout_ms=10_000, security=_as(user, password)
            )

            async def ask(api: ApiKey, version: int, message: Message) -> Any:
                return await connection.send(api, version, message, timeout_ms=10_000)

            wanted = Message(topics=[Message(name="t")], allow_auto_topic_creation=False)
            view = await ask(ApiKey.METADATA, 12, wanted)
            written = await ask(ApiKey.PRODUCE, 9, kit.produce_message("t", b"x", acks=1))
            order = Message(controller_id=1, controller_epoch=9, broker_epoch=-1)
            told = await ask(ApiKey.UPDATE_METADATA, 8, order)
            connection.close()
            part = written.responses[0].partition_responses[0]
            return view.topics[0].error_code, part.error_code, told.error_code

        alice = await codes("alice", "alice-secret")
        assert (alice[0], alice[2]) == (0, 31)
        assert alice[1] in (0, 6)  # 6: the other broker leads
        assert await codes("bob", "bob-secret") == (29, 29, 31)

    kit.run(scenario, brokers=2, settings={**SASL, **AUTHORIZER}, prepare=_with_users)
