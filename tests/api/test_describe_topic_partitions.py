"""DescribeTopicPartitions: pages, and topics that are not there."""

from __future__ import annotations

from msgspec.structs import asdict
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_partitions_in_pages() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("a", 2)
        await client.create("b", 3)
        found, cursor = [], None
        for _ in range(5):
            message = Message(topics=[], response_partition_limit=2, cursor=cursor)
            answer = await client.ask(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, message)
            found += [(t.name, p.partition_index) for t in answer.topics for p in t.partitions]
            cursor = answer.next_cursor and Message(**asdict(answer.next_cursor))
            if cursor is None:
                break
        assert found == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
        topics = [Message(name="nobody"), Message(name="no/body")]
        message = Message(topics=topics, response_partition_limit=10, cursor=None)
        answer = await client.ask(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, message)
        assert {t.name: t.error_code for t in answer.topics} == {
            "nobody": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "no/body": ErrorCode.INVALID_TOPIC_EXCEPTION,
        }

    kit.run(scenario)


def test_a_page_has_no_more_than_the_setting_allows() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("a", 5)
        message = Message(topics=[], response_partition_limit=100, cursor=None)
        answer = await client.ask(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, message)
        assert [len(t.partitions) for t in answer.topics] == [3]
        assert (answer.next_cursor.topic_name, answer.next_cursor.partition_index) == ("a", 3)

    kit.run(scenario, settings={"max.request.partition.size.limit": "3"})
