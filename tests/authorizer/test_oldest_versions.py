"""What the first versions of some APIs answer where something is denied. Sources: Kafka 3.9's
KafkaApis, handleOffsetFetchRequestFromZookeeper and handleListOffsetRequestV0."""

from __future__ import annotations

from typing import Any

from tests.api.kit import Client, run
from tests.authorizer.messages import T, acl
from tests.authorizer.principals import SETTINGS, principals_by_client_id
from tests.authorizer.test_matrix import World

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

NOT_TOPIC = ErrorCode.TOPIC_AUTHORIZATION_FAILED
NOT_GROUP = ErrorCode.GROUP_AUTHORIZATION_FAILED


def _errors(answer: Any) -> dict[str, int]:
    return {topic.name: topic.partitions[0].error_code for topic in answer.topics}


def test_positions_and_offsets_of_version_0() -> None:
    async def scenario(client: Client) -> None:
        world = World(client)
        await world.topic(T)
        await world.topic("b")
        own = [acl("User:other", "TOPIC ALL", T), acl("User:other", "GROUP ALL", "g")]
        await world.admin(ApiKey.CREATE_ACLS, 3, Message(creations=own))

        async def ask(api: ApiKey, **fields: Any) -> dict[str, int]:
            return _errors(await client.ask(api, 0, Message(**fields), client_id="as other"))

        commits = [
            Message(name=n, partitions=[Message(partition_index=0, committed_offset=5)])
            for n in ("b", T)
        ]
        fetches = [Message(name=n, partition_indexes=[0]) for n in ("b", T)]
        allowed, denied = {"b": NOT_TOPIC, T: 0}, {"b": NOT_GROUP, T: NOT_GROUP}
        assert await ask(ApiKey.OFFSET_COMMIT, group_id="g", topics=commits) == allowed
        assert await ask(ApiKey.OFFSET_FETCH, group_id="g", topics=fetches) == allowed
        assert await ask(ApiKey.OFFSET_COMMIT, group_id="not", topics=commits) == denied
        assert await ask(ApiKey.OFFSET_FETCH, group_id="not", topics=fetches) == denied
        asked = [
            Message(name=n, partitions=[Message(partition_index=0, timestamp=-1)]) for n in ("b", T)
        ]
        assert await ask(ApiKey.LIST_OFFSETS, replica_id=-1, topics=asked) == allowed

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)
