"""CreateTopicPolicy, AlterConfigPolicy: what they are asked, and what clients are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import pytest
from tests.api import kit
from tests.api.config_kit import (
    APPEND,
    BROKER,
    DELETE,
    INVALID_CONFIG,
    LOGGER,
    SET,
    TOPIC,
    alter,
    alteration,
    described,
)

import house_rules
from barnabas.errors import ErrorCode, KafkaError
from barnabas.plugins import (
    AlterConfigPolicy,
    ConfigResource,
    ConfigResourceType,
    CreateTopicPolicy,
    PolicyViolation,
)
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.zk import paths
from barnabas.zk.admin import read_config

SETTINGS = {
    "create.topic.policy.class.name": "my.Topics",
    "alter.config.policy.class.name": "my.Changes",
    "my.own": "value",
}
VIOLATION, UNKNOWN = ErrorCode.POLICY_VIOLATION, ErrorCode.UNKNOWN_SERVER_ERROR


class Topics(CreateTopicPolicy):
    asked: ClassVar[list[CreateTopicPolicy.RequestMetadata]] = []
    settings: ClassVar[list[Mapping[str, str]]] = []
    closed: ClassVar[list[bool]] = []

    def configure(self, settings: Mapping[str, str]) -> None:
        self.settings.append(settings)

    def validate(self, request: CreateTopicPolicy.RequestMetadata) -> None:
        self.asked.append(request)
        if request.topic.startswith("refused"):
            raise PolicyViolation(f"not {request.topic}")
        if request.topic.startswith("broken"):
            raise RuntimeError("a bug")
        if request.topic.startswith("invalid"):
            raise KafkaError(INVALID_CONFIG, "an error of its own")
        return cast("None", False if request.topic.startswith("false") else None)

    def close(self) -> None:
        self.closed.append(True)


class Changes(AlterConfigPolicy):
    asked: ClassVar[list[AlterConfigPolicy.RequestMetadata]] = []

    def validate(self, request: AlterConfigPolicy.RequestMetadata) -> None:
        self.asked.append(request)
        if "99" in request.configs.values():
            raise PolicyViolation("not 99")
        if "98" in request.configs.values():
            raise RuntimeError("a bug")


CLASSES = {"my.Topics": Topics, "my.Changes": Changes}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    for memory in (Topics.asked, Topics.settings, Topics.closed, Changes.asked):
        memory.clear()


def test_what_a_policy_for_topics_is_asked() -> None:
    async def scenario(client: kit.Client) -> None:
        assert (await client.create("t", 3, 1, **{"retention.ms": "5000"})).error_code == 0
        assert (await client.create("u", -1, -1)).error_code == 0
        await client.place("v", [1], [1])

    kit.run(scenario, settings={**SETTINGS, "num.partitions": "4"}, classes=CLASSES)
    made = CreateTopicPolicy.RequestMetadata
    assert Topics.asked == [
        made(
            topic="t",
            num_partitions=3,
            replication_factor=1,
            replicas_assignments=None,
            configs={"retention.ms": "5000"},
        ),
        made(
            topic="u",
            num_partitions=4,
            replication_factor=1,
            replicas_assignments=None,
            configs={},
        ),
        made(
            topic="v",
            num_partitions=None,
            replication_factor=None,
            replicas_assignments={0: (1,), 1: (1,)},
            configs={},
        ),
    ]
    (settings,) = Topics.settings
    assert settings["my.own"] == "value"
    assert settings["log.dirs"] == "/data"
    assert "num.network.threads" not in settings, "defaults are not told"


def test_what_a_client_is_told() -> None:
    async def scenario(client: kit.Client) -> None:
        names = ["refused", "good", "broken", "false", "invalid"]
        topics = [t for name in names for t in kit.create_message(name).topics]
        for validate_only in (True, False):
            message = Message(topics=topics, timeout=10_000, validate_only=validate_only)
            answer = await client.ask(ApiKey.CREATE_TOPICS, 7, message)
            assert [(t.name, t.error_code, t.error_message) for t in answer.topics] == [
                ("refused", VIOLATION, "not refused"),
                ("good", 0, None),
                ("broken", UNKNOWN, None),
                ("false", UNKNOWN, None),
                ("invalid", INVALID_CONFIG, "an error of its own"),
            ]
        view = await client.ask(ApiKey.METADATA, 1, Message(topics=None))
        assert [t.name for t in view.topics] == ["good"]

    kit.run(scenario, settings=SETTINGS, classes=CLASSES)


def test_what_is_wrong_anyway_is_not_asked_about() -> None:
    async def scenario(client: kit.Client) -> None:
        assert (await client.create("refused/name")).error_code == 17
        assert (await client.create("refused", 1, 5)).error_code == 38
        assert (await client.create("refused", 1, 1, nonsense="1")).error_code == 40
        assert Topics.asked == []
        await client.create("t")
        message = Message(
            topics=[Message(name="t", count=2, assignments=None)],
            timeout=10_000,
            validate_only=False,
        )
        answer = await client.ask(ApiKey.CREATE_PARTITIONS, 3, message)
        assert answer.results[0].error_code == 0
        assert len(Topics.asked) == 1, "CreatePartitions does not ask"

    kit.run(scenario, settings=SETTINGS, classes=CLASSES)


def test_topics_that_are_created_on_first_use() -> None:
    async def scenario(client: kit.Client) -> None:
        for name, code in (("refused", VIOLATION), ("broken", UNKNOWN), ("fine", 0)):
            message = Message(
                topics=[Message(topic_id=None, name=name)], allow_auto_topic_creation=True
            )
            view = await client.ask(ApiKey.METADATA, 9, message)
            assert view.topics[0].error_code in ((code,) if code else (0, 5))
        message = Message(key_type=0, coordinator_keys=["group"])
        await client.ask(ApiKey.FIND_COORDINATOR, 4, message)
        assert [r.topic for r in Topics.asked][-1] == "__consumer_offsets"
        assert Topics.asked[-1].num_partitions == 2
        assert Topics.asked[-1].configs["cleanup.policy"] == "compact"

    more = {"offsets.topic.num.partitions": "2", "offsets.topic.replication.factor": "1"}
    kit.run(scenario, settings={**SETTINGS, **more}, classes=CLASSES)


def test_what_a_policy_for_settings_is_asked() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t", **{"retention.ms": "7", "segment.bytes": "20000"})
        await alter(
            client,
            TOPIC,
            "t",
            (SET, "max.message.bytes", "5"),
            (APPEND, "cleanup.policy", "compact"),
            (DELETE, "retention.ms", None),
        )
        await alter(client, TOPIC, "t", (SET, "retention.ms", "8"), api=ApiKey.ALTER_CONFIGS)
        await alter(client, BROKER, "1", (SET, "max.connections", "50"))
        await alter(client, BROKER, "", (SET, "log.retention.ms", "70"), validate_only=True)
        await alter(client, LOGGER, "1", (SET, "kafka.server", "INFO"))

    kit.run(scenario, settings=SETTINGS, classes=CLASSES)
    topic = ConfigResource(ConfigResourceType.TOPIC, "t")
    made = AlterConfigPolicy.RequestMetadata
    changed = {"max.message.bytes": "5", "cleanup.policy": "compact", "retention.ms": None}
    assert Changes.asked == [
        made(resource=topic, configs=changed),
        made(resource=topic, configs={"retention.ms": "8"}),
        made(
            resource=ConfigResource(ConfigResourceType.BROKER, "1"),
            configs={"max.connections": "50"},
        ),
        made(
            resource=ConfigResource(ConfigResourceType.BROKER, ""),
            configs={"log.retention.ms": "70"},
        ),
    ]


@pytest.mark.parametrize("api", [ApiKey.ALTER_CONFIGS, ApiKey.INCREMENTAL_ALTER_CONFIGS])
@pytest.mark.parametrize("validate_only", [False, True])
def test_a_change_that_is_refused(api: ApiKey, validate_only: bool) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.create("u")
        for kind, name, key in (
            (TOPIC, "t", "retention.ms"),
            (BROKER, "1", "max.connections"),
            (BROKER, "", "max.connections"),
        ):
            for value, code, text in (("99", VIOLATION, "not 99"), ("98", UNKNOWN, None)):
                one = (SET, key, value)
                version = 1
                done = await alter(
                    *(client, kind, name, one),
                    api=api,
                    version=version,
                    validate_only=validate_only,
                )
                assert (done.error_code, done.error_message) == (code, text)
            invalid = await alter(client, kind, name, (SET, key, "x"), api=api)
            assert invalid.error_code in (40, 42)
        assert len(Changes.asked) == 6, "what is wrong anyway is not asked about"
        reader = await kit.zookeeper(client.env)
        assert await read_config(reader, paths.topic_entity("t")) == {}
        found = await described(client, BROKER, "1", "max.connections")
        assert found is not None
        assert found[0] == str(2**31 - 1)
        both = [
            alteration(TOPIC, n, [(SET, "retention.ms", v)]) for n, v in (("t", "99"), ("u", "5"))
        ]
        answer = await client.ask(api, 1, Message(resources=both, validate_only=False))
        assert [r.error_code for r in answer.responses] == [VIOLATION, 0]
        assert await read_config(reader, paths.topic_entity("u")) == {"retention.ms": "5"}

    kit.run(scenario, settings=SETTINGS, classes=CLASSES)


def test_a_policy_is_closed_when_its_broker_stops() -> None:
    async def scenario(client: kit.Client) -> None:
        client.stops[1].set()
        await client.simulation.ended(client.simulation.processes["b1"])

    kit.run(scenario, settings=SETTINGS, classes=CLASSES)
    assert Topics.closed == [True]


def test_the_example_of_the_documentation() -> None:
    async def scenario(client: kit.Client) -> None:
        assert (await client.create("orders", 1, 2)).error_code == VIOLATION
        refused = await client.create("shop.orders", 1, 1)
        assert (refused.error_code, refused.error_message) == (
            VIOLATION,
            "shop.orders: give it 2 replicas",
        )
        await client.place("shop.orders", [1, 2])
        month, week = str(31 * 24 * 3600 * 1000), str(7 * 24 * 3600 * 1000)
        for value, code in ((month, VIOLATION), ("-1", VIOLATION), (week, 0)):
            done = await alter(client, TOPIC, "shop.orders", (SET, "retention.ms", value))
            assert done.error_code == code
        done = await alter(client, TOPIC, "shop.orders", (DELETE, "retention.ms", None))
        assert done.error_code == 0
        await alter(client, BROKER, "", (SET, "log.retention.ms", month))

    settings = {
        "create.topic.policy.class.name": "house_rules.TopicRules",
        "alter.config.policy.class.name": "house_rules.SettingRules",
        "house.rules.replicas.min": "2",
    }
    classes = {
        "house_rules.TopicRules": house_rules.TopicRules,
        "house_rules.SettingRules": house_rules.SettingRules,
    }
    kit.run(scenario, brokers=2, settings=settings, classes=classes)
