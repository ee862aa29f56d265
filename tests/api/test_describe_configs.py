"""DescribeConfigs: every setting as the original describes it, over the wire.

``golden/settings/described.txt`` holds name, value, type and whether it is read-only of every
setting of a broker of Apache Kafka 3.9.1, which was given ``RECORDED``.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests import places
from tests.api import kit

from barnabas.config.settings import SETTINGS, TOPIC_SETTINGS
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

GOLDEN = places.GOLDEN / "settings/described.txt"
RECORDED = {
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.backoff.ms": "300",
    "producer.id.expiration.check.interval.ms": "1000",
}
DEVIATIONS = {
    "broker.rack": "given by the test's brokers",
    "listeners": "another address",
    "log.dirs": "another directory",
    "zookeeper.connect": "another address",
}
TOPIC, BROKER = 2, 4
OF_TOPIC, OF_BROKER, OF_ALL, OF_FILE, DEFAULT = range(1, 6)


async def _described(
    client: kit.Client, kind: int, name: str, *, documented: bool = False
) -> dict[str, Any]:
    resource = Message(resource_type=kind, resource_name=name, configuration_keys=None)
    message = Message(resources=[resource], include_synonyms=True, include_documentation=documented)
    (result,) = (await client.ask(ApiKey.DESCRIBE_CONFIGS, 4, message)).results
    assert result.error_code == 0
    return {config.name: config for config in result.configs}


def _recorded() -> dict[str, tuple[str | None, int, bool]]:
    found = {}
    for line in GOLDEN.read_text().splitlines():
        name, value, kind, read_only = line.split(" ")
        found[name] = (None if value == "None" else value, int(kind), read_only == "1")
    return found


def test_a_broker_as_the_original_describes_it() -> None:
    async def scenario(client: kit.Client) -> None:
        found = await _described(client, BROKER, "1", documented=True)
        recorded = _recorded()
        assert len(recorded) == 316
        ours = {n for n, s in SETTINGS.items() if s.ours and not s.dynamic_only}
        assert set(found) - set(recorded) == ours
        assert set(recorded) <= set(found)
        for name, expected in recorded.items():
            config = found[name]
            if name not in DEVIATIONS:
                assert (config.value, config.config_type, config.read_only) == expected, name
            given = name in RECORDED or name in ("broker.id", "node.id", *DEVIATIONS)
            assert config.config_source == (OF_FILE if given else DEFAULT), name
            assert config.is_sensitive == (config.config_type == 9), name
            assert config.documentation

    kit.run(scenario, settings=RECORDED)


def test_what_may_be_secret_is_never_shown() -> None:
    given = {
        "my.plug.in.password": "geheim",
        "listener.name.plaintext.max.connections": " 5 ",
        "log.cleaner.io.max.bytes.per.second": "1e7",
    }

    async def scenario(client: kit.Client) -> None:
        found = await _described(client, BROKER, "1")
        unknown = found["my.plug.in.password"]
        assert (unknown.value, unknown.config_type, unknown.is_sensitive) == (None, 0, True)
        assert [(s.name, s.value, s.source) for s in unknown.synonyms] == [
            ("my.plug.in.password", None, OF_FILE)
        ]
        assert "geheim" not in repr(found)
        listener = found["listener.name.plaintext.max.connections"]
        assert (listener.value, listener.config_type, listener.is_sensitive) == (" 5 ", 3, False)
        assert [(s.name, s.source) for s in listener.synonyms] == [
            ("listener.name.plaintext.max.connections", OF_FILE),
            ("max.connections", DEFAULT),
        ]
        assert found["log.cleaner.io.max.bytes.per.second"].value == "1.0E7"

    kit.run(scenario, settings=given)


def test_a_topic_is_described_alike_by_both_answers() -> None:
    overrides = {
        "retention.ms": " +5 ",
        "min.cleanable.dirty.ratio": "0.5f",
        "cleanup.policy": "delete , compact",
        "leader.replication.throttled.replicas": "0:1, 1:2",
        "preallocate": "TRUE",
        "compression.gzip.level": "9",
    }
    shown = {
        "retention.ms": "5",
        "min.cleanable.dirty.ratio": "0.5",
        "cleanup.policy": "delete,compact",
        "leader.replication.throttled.replicas": "0:1,1:2",
        "preallocate": "true",
        "compression.gzip.level": "9",
        "message.format.version": "3.0-IV1",
        "remote.storage.enable": "false",
        "flush.ms": "9223372036854775807",
        "follower.replication.throttled.replicas": "",
    }

    async def scenario(client: kit.Client) -> None:
        created = await client.create("t", **overrides)
        found = await _described(client, TOPIC, "t")
        assert list(found) == list(TOPIC_SETTINGS) == [c.name for c in created.configs]
        for config in created.configs:
            other = found[config.name]
            assert config.value == other.value
            assert config.config_source == other.config_source
            assert config.is_sensitive == other.is_sensitive is False
            assert (other.config_source == OF_TOPIC) == (config.name in overrides)
        assert {name: found[name].value for name in shown} == shown

    kit.run(scenario)


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
        for version in kit.versions(ApiKey.DESCRIBE_CONFIGS):
            (result,) = (
                await client.ask(ApiKey.DESCRIBE_CONFIGS, version, _configs(TOPIC, "t"))
            ).results
            assert result.error_code == 0
            entries = {e.name: e for e in result.configs}
            assert len(entries) > 20
            assert not any(e.is_sensitive or e.read_only for e in result.configs)
            kept, size, segment = (
                entries[name] for name in ("retention.ms", "retention.bytes", "segment.bytes")
            )
            if version == 0:  # has a field for "is default", which Kafka does not fill
                assert not any(e.is_default for e in result.configs)
                assert (kept.value, kept.config_source) == ("5000", -1)
                continue
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
        some = await client.ask(
            ApiKey.DESCRIBE_CONFIGS, 4, _configs(TOPIC, "t", "segment.bytes", "nonsense")
        )
        assert [e.name for e in some.results[0].configs] == ["segment.bytes"]

    kit.run(scenario, settings={"log.segment.bytes": "16384"})


def test_settings_of_a_broker_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.DESCRIBE_CONFIGS):
            (result,) = (
                await client.ask(ApiKey.DESCRIBE_CONFIGS, version, _configs(BROKER, "1"))
            ).results
            entries = {e.name: e for e in result.configs}
            given, default = entries["log.segment.bytes"], entries["num.partitions"]
            told = (OF_FILE, DEFAULT) if version else (-1, -1)
            assert (given.value, given.config_source) == ("16384", told[0])
            assert (default.value, default.config_source) == ("1", told[1])
            assert not given.read_only
            assert entries["broker.id"].read_only
            advertised = entries["advertised.listeners"]
            assert (advertised.value, advertised.config_source) == (None, told[1])
            assert not advertised.read_only
            (dynamic,) = (
                await client.ask(ApiKey.DESCRIBE_CONFIGS, version, _configs(BROKER, ""))
            ).results
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
        (result,) = (await client.ask(ApiKey.DESCRIBE_CONFIGS, 4, _configs(kind, name))).results
        assert (result.error_code, result.configs) == (expected, ())
        assert (result.resource_type, result.resource_name) == (kind, name)

    kit.run(scenario)
