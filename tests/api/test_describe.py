"""DescribeConfigs, DescribeCluster, DescribeLogDirs, DescribeTopicPartitions, InitProducerId."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

CONFIGS, CLUSTER = ApiKey.DESCRIBE_CONFIGS, ApiKey.DESCRIBE_CLUSTER
LOG_DIRS, PARTITIONS = ApiKey.DESCRIBE_LOG_DIRS, ApiKey.DESCRIBE_TOPIC_PARTITIONS
INIT = ApiKey.INIT_PRODUCER_ID
TOPIC, BROKER = 2, 4
OF_TOPIC, OF_FILE, DEFAULT = 1, 4, 5


def _configs(kind: int, name: str, *keys: str) -> Message:
    resource = Message(
        resource_type=kind, resource_name=name, configuration_keys=list(keys) or None
    )
    return Message(resources=[resource], include_synonyms=True, include_documentation=True)


def _synonyms(entry: Any) -> list[tuple[str, str | None, int]]:
    return [(s.name, s.value, s.source) for s in entry.synonyms]


def test_settings_of_a_topic_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", 1, 1, **{"retention.ms": "5000"})
        for version in kit.versions(CONFIGS):
            (result,) = (await client.ask(CONFIGS, version, _configs(TOPIC, "t"))).results
            assert result.error_code == 0
            entries = {e.name: e for e in result.configs}
            assert len(entries) > 20
            assert not any(e.is_sensitive or e.read_only for e in result.configs)
            kept, size, segment = (
                entries[name] for name in ("retention.ms", "retention.bytes", "segment.bytes")
            )
            assert (kept.value, kept.config_source) == ("5000", OF_TOPIC)
            assert _synonyms(kept) == [("retention.ms", "5000", OF_TOPIC)]
            assert (size.value, size.config_source) == ("-1", DEFAULT)
            assert _synonyms(size) == [("log.retention.bytes", "-1", DEFAULT)]
            assert (segment.value, segment.config_source) == ("16384", OF_FILE)
            assert _synonyms(segment) == [
                ("log.segment.bytes", "16384", OF_FILE),
                ("log.segment.bytes", "1073741824", DEFAULT),
            ]
            if version >= 3:
                assert kept.config_type == 5
                assert kept.documentation
        some = await client.ask(CONFIGS, 4, _configs(TOPIC, "t", "segment.bytes", "nonsense"))
        assert [e.name for e in some.results[0].configs] == ["segment.bytes"]

    kit.run(scenario, settings={"log.segment.bytes": "16384"})


def test_settings_of_a_broker_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(CONFIGS):
            (result,) = (await client.ask(CONFIGS, version, _configs(BROKER, "1"))).results
            entries = {e.name: e for e in result.configs}
            given, default = entries["log.segment.bytes"], entries["num.partitions"]
            assert (given.value, given.config_source) == ("16384", OF_FILE)
            assert (default.value, default.config_source) == ("1", DEFAULT)
            assert not given.read_only
            assert entries["broker.id"].read_only
            advertised = entries["advertised.listeners"]
            assert (advertised.value, advertised.config_source) == (None, DEFAULT)
            assert not advertised.read_only
            (dynamic,) = (await client.ask(CONFIGS, version, _configs(BROKER, ""))).results
            assert (dynamic.error_code, dynamic.configs) == (0, ())

    kit.run(scenario, settings={"log.segment.bytes": "16384"})


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (TOPIC, "nobody", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "no/body", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "7", ErrorCode.INVALID_REQUEST),
        (BROKER, "seven", ErrorCode.INVALID_REQUEST),
        (8, "7", ErrorCode.INVALID_REQUEST),
        (8, "", ErrorCode.INVALID_REQUEST),
        (16, "1", ErrorCode.INVALID_REQUEST),
        (99, "1", ErrorCode.INVALID_REQUEST),
    ],
)
def test_settings_of_what_is_not_there(kind: int, name: str, expected: ErrorCode) -> None:
    async def scenario(client: kit.Client) -> None:
        (result,) = (await client.ask(CONFIGS, 4, _configs(kind, name))).results
        assert (result.error_code, result.configs) == (expected, ())
        assert (result.resource_type, result.resource_name) == (kind, name)

    kit.run(scenario)


def test_the_cluster_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(CLUSTER):
            message = Message(include_cluster_authorized_operations=True, endpoint_type=1)
            answer = await client.ask(CLUSTER, version, message)
            assert answer.error_code == 0
            assert [(b.broker_id, b.host, b.rack) for b in answer.brokers] == [(1, "b1", "r1")]
            assert answer.controller_id == 1
            assert answer.cluster_authorized_operations == 0b1_1111_1010_0000
        for kind, expected in (
            (2, ErrorCode.MISMATCHED_ENDPOINT_TYPE),
            (5, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
        ):
            answer = await client.ask(CLUSTER, 1, Message(endpoint_type=kind))
            assert (answer.error_code, answer.brokers) == (expected, ())

    kit.run(scenario)


def test_log_directories_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("a", 2)
        await client.create("b")
        await client.produce("b", b"x" * 100)
        for version in kit.versions(LOG_DIRS):
            (result,) = (await client.ask(LOG_DIRS, version, Message(topics=None))).results
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
            (result,) = (await client.ask(LOG_DIRS, version, asked)).results
            assert [p.partition_index for p in result.topics[0].partitions] == [1]

    kit.run(scenario)


def test_partitions_in_pages() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("a", 2)
        await client.create("b", 3)
        found, cursor = [], None
        for _ in range(5):
            message = Message(topics=[], response_partition_limit=2, cursor=cursor)
            answer = await client.ask(PARTITIONS, 0, message)
            found += [(t.name, p.partition_index) for t in answer.topics for p in t.partitions]
            cursor = answer.next_cursor
            if cursor is None:
                break
        assert found == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
        topics = [Message(name="nobody"), Message(name="no/body")]
        message = Message(topics=topics, response_partition_limit=10, cursor=None)
        answer = await client.ask(PARTITIONS, 0, message)
        assert {t.name: t.error_code for t in answer.topics} == {
            "nobody": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            "no/body": ErrorCode.INVALID_TOPIC_EXCEPTION,
        }

    kit.run(scenario)


def test_producer_ids_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        found: list[int] = []
        for version in kit.versions(INIT):
            message = Message(
                transactional_id=None,
                transaction_timeout=-1,
                producer_id=-1,
                producer_epoch=-1,
            )
            answer = await client.ask(INIT, version, message)
            assert (answer.error_code, answer.producer_epoch) == (0, 0)
            found.append(answer.producer_id)
            message.transactional_id = ""
            answer = await client.ask(INIT, version, message)
            assert answer.error_code == ErrorCode.INVALID_REQUEST
            assert (answer.producer_id, answer.producer_epoch) == (-1, -1)
            if version >= 3:
                message.transactional_id, message.producer_id = None, 5
                answer = await client.ask(INIT, version, message)
                assert answer.error_code == ErrorCode.INVALID_REQUEST
        assert found == list(range(found[0], found[0] + len(found)))

    kit.run(scenario)
