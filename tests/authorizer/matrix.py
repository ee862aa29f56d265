"""What the measured authorization matrix consists of: who asks, and what a case is."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.api.kit import Client, create_message
from tests.authorizer.messages import M, T

from barnabas.protocol.api import ApiKey as Api

ADMIN = "as admin"
NOBODY = uuid.UUID(int=77)
GRANTS = [
    f"{kind} {operation}"
    for kind, operations in {
        "TOPIC": "READ WRITE CREATE DELETE ALTER DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS",
        "GROUP": "READ DELETE DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS",
        "CLUSTER": "CREATE ALTER DESCRIBE CLUSTER_ACTION DESCRIBE_CONFIGS ALTER_CONFIGS"
        " IDEMPOTENT_WRITE",
        "TRANSACTIONAL_ID": "WRITE DESCRIBE",
        "DELEGATION_TOKEN": "DESCRIBE",
        "USER": "CREATE_TOKENS DESCRIBE_TOKENS",
    }.items()
    for operation in operations.split()
]


@dataclass
class World:
    """What the requests speak of."""

    client: Client
    ids: dict[str, uuid.UUID] = field(default_factory=dict)
    hmac: bytes = b""
    """Of a token that ``User:owner`` has."""

    async def admin(self, api: Api, version: int, message: M) -> Any:
        return await self.client.ask(api, version, message, client_id=ADMIN)

    async def topic(self, name: str) -> None:
        """Create one; its id."""
        answer = await self.admin(Api.CREATE_TOPICS, 7, create_message(name))
        assert answer.topics[0].error_code == 0, answer
        self.ids[name] = answer.topics[0].topic_id

    async def group(self, name: str) -> None:
        """A group with a position in the topic t."""
        partition = M(partition_index=0, committed_offset=1)
        topics = [M(name=T, partitions=[partition])]
        while True:
            await self.admin(Api.FIND_COORDINATOR, 3, M(key=name, key_type=0))
            answer = await self.admin(Api.OFFSET_COMMIT, 8, M(group_id=name, topics=topics))
            if answer.topics[0].partitions[0].error_code == 0:
                return


Body = Callable[[World, str], M]
Setup = Callable[[World, str], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One request; ``name`` and the rest are the key of its row in the recording."""

    name: str
    api: Api
    version: int
    body: Body
    setup: Setup | None = None
