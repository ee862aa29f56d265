"""DescribeLogDirs in every version."""

from __future__ import annotations

from tests.api import kit

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_log_directories_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("a", 2)
        await client.create("b")
        await client.produce("b", b"x" * 100)
        for version in kit.versions(ApiKey.DESCRIBE_LOG_DIRS):
            (result,) = (
                await client.ask(ApiKey.DESCRIBE_LOG_DIRS, version, Message(topics=None))
            ).results
            assert (result.error_code, result.log_dir) == (0, "/data")
            sizes = {
                (t.name, p.partition_index): p.partition_size
                for t in result.topics
                for p in t.partitions
            }
            assert list(sizes) == [("a", 0), ("a", 1), ("b", 0)]
            assert sizes["a", 0] == 0
            assert sizes["b", 0] > 100
            if version >= 4:
                assert result.total_bytes >= result.usable_bytes > 0
            asked = Message(topics=[Message(topic="a", partitions=[1])])
            (result,) = (await client.ask(ApiKey.DESCRIBE_LOG_DIRS, version, asked)).results
            assert [p.partition_index for p in result.topics[0].partitions] == [1]

    kit.run(scenario)
