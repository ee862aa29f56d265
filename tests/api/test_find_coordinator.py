"""FindCoordinator, for groups and for transactions."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS
from tests.api.kit import Client, versions
from tests.api.transaction_kit import SETTINGS as OF_TRANSACTIONS
from tests.api.transaction_kit import TXN

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_finding_the_coordinator_creates_its_topic() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.FIND_COORDINATOR):
            message = Message(key="g", key_type=0, coordinator_keys=["g", "h"])
            answer = await client.ask(ApiKey.FIND_COORDINATOR, version, message)
            rows = answer.coordinators if version >= 4 else [answer]
            assert len(rows) == (2 if version >= 4 else 1)
            for row in rows:
                assert (row.error_code, row.node_id, row.host, row.port) == (0, 1, "b1", 9092)
            if 1 <= version <= 3:
                assert answer.error_message == "NONE"
        view = await client.ask(ApiKey.METADATA, 12, Message(topics=None))
        (topic,) = view.topics
        assert (topic.name, topic.is_internal) == ("__consumer_offsets", True)
        assert len(topic.partitions) == 2
        bad = Message(key="g", key_type=9)
        answer = await client.ask(ApiKey.FIND_COORDINATOR, 2, bad)
        assert answer.error_code == ErrorCode.INVALID_REQUEST

    kit.run(scenario, settings=SETTINGS)


def test_without_enough_brokers_there_is_no_coordinator() -> None:
    async def scenario(client: kit.Client) -> None:
        message = Message(key="g", key_type=0)
        answer = await client.ask(ApiKey.FIND_COORDINATOR, 2, message)
        assert answer.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert answer.error_message == "The coordinator is not available."
        assert (answer.node_id, answer.host, answer.port) == (-1, "", -1)

    kit.run(scenario, settings={**SETTINGS, "offsets.topic.replication.factor": "2"})


def test_finding_a_coordinator_creates_its_topic() -> None:
    async def scenario(client: Client) -> None:
        for version in versions(ApiKey.FIND_COORDINATOR)[1:]:
            message = Message(key_type=1, key=TXN, coordinator_keys=[TXN])
            answer = await client.ask(ApiKey.FIND_COORDINATOR, version, message)
            found = answer if version < 4 else answer.coordinators[0]
            assert (found.error_code, found.node_id, found.host) == (0, 1, "b1")
        resource = Message(
            resource_type=2, resource_name="__transaction_state", configuration_keys=None
        )
        answer = await client.ask(
            ApiKey.DESCRIBE_CONFIGS, 4, Message(resources=[resource], include_synonyms=False)
        )
        configs = {c.name: c.value for c in answer.results[0].configs}
        assert configs["cleanup.policy"] == "compact"
        assert configs["compression.type"] == "uncompressed"
        assert configs["min.insync.replicas"] == "1"
        assert configs["segment.bytes"] == "20000000"
        assert configs["unclean.leader.election.enable"] == "false"

    kit.run(
        scenario, settings={**OF_TRANSACTIONS, "transaction.state.log.segment.bytes": "20000000"}
    )
