"""Protocol faults: which requests they hit, how often, and what becomes of those."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from tests.testing.kit import FORMS, values

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.find_coordinator import FindCoordinatorRequest
from barnabas.protocol.messages.init_producer_id import InitProducerIdRequest
from barnabas.protocol.messages.produce import ProduceRequest
from barnabas.records.batch import Record, build_batch
from barnabas.testing import Cluster, Faults, TimedOut
from barnabas.testing.faults import Question, api_key

T = TypeVar("T")


@pytest.fixture(params=FORMS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(2, in_process=request.param) as running:
        running.create_topic("orders")
        yield running


def ask(cluster: Cluster, work: Callable[[ClusterClient], Awaitable[T]]) -> T:
    """As some client, which gives up after a second."""

    async def run() -> T:
        async with ClusterClient(cluster.bootstrap, "some-client", timeout_ms=1000) as client:
            await client.metadata()
            return await work(client)

    return asyncio.run(run())


def produce_request(topic: str, partitions: Sequence[int]) -> ProduceRequest:
    return ProduceRequest(
        transactional_id=None,
        acks=-1,
        timeout=1000,
        topic_data=[
            ProduceRequest.TopicProduceData(
                name=topic,
                partition_data=[
                    ProduceRequest.PartitionProduceData(
                        index=p, records=bytes(build_batch([Record(value=b"%d" % p)]))
                    )
                    for p in partitions
                ],
            )
        ],
    )


def test_an_error_twice_and_then_no_more(cluster: Cluster) -> None:
    fault = cluster.faults.on("Produce", topic="orders").error("NOT_LEADER_OR_FOLLOWER").times(2)
    cluster.produce("orders", ["a"])
    assert values(cluster, "orders") == [b"a"]
    assert [hit.api for hit in fault.hits] == ["PRODUCE", "PRODUCE"]
    assert fault.hits[0].partitions == (("orders", 0),)
    assert fault.hits[0].client_id == "barnabas-testing"
    assert [e.fields["error"] for e in cluster.events() if e.kind == "fault_done"] == [
        "NOT_LEADER_OR_FOLLOWER"
    ] * 2
    cluster.wait_for_hits(fault, 2)
    with pytest.raises(TimedOut, match="2 requests were hit by the fault on PRODUCE, not 3"):
        cluster.wait_for_hits(fault, 3, timeout_s=0)


def test_an_error_that_is_final_reaches_the_client_and_nothing_is_written(
    cluster: Cluster,
) -> None:
    cluster.faults.on("Produce").error("TOPIC_AUTHORIZATION_FAILED")
    with pytest.raises(ClientError, match="TOPIC_AUTHORIZATION_FAILED"):
        cluster.produce("orders", ["a"])
    cluster.faults.clear()
    assert cluster.records("orders") == []


def test_the_other_partitions_of_a_produce_are_written(cluster: Cluster) -> None:
    topic = cluster.create_topic("parts", assignments={0: [1, 2], 1: [1, 2], 2: [1, 2]})
    cluster.faults.on("Produce", topic=topic, partition=1).error("MESSAGE_TOO_LARGE")
    answer = ask(
        cluster,
        lambda client: client.broker(1, ApiKey.PRODUCE, 9, produce_request(topic, [0, 1, 2])),
    )
    errors = {
        p.index: ErrorCode(p.error_code) for t in answer.responses for p in t.partition_responses
    }
    assert errors == {0: ErrorCode.NONE, 1: ErrorCode.MESSAGE_TOO_LARGE, 2: ErrorCode.NONE}
    assert values(cluster, topic) == [b"0", b"2"]


def test_what_was_done_and_not_answered_is_done_again(cluster: Cluster) -> None:
    fault = cluster.faults.on("Produce").drop_response().disconnect().times(1)
    request = produce_request("orders", [0])
    leader = cluster.leader_of("orders")
    assert leader is not None

    async def without_idempotence(client: ClusterClient) -> None:
        with pytest.raises(ConnectionError):
            await client.broker(leader, ApiKey.PRODUCE, 9, request)
        await client.broker(leader, ApiKey.PRODUCE, 9, request)

    ask(cluster, without_idempotence)
    assert values(cluster, "orders") == [b"0", b"0"]
    cluster.faults.on("Produce").drop_response().disconnect().times(1)
    cluster.produce("orders", ["once, as its producer is idempotent"])
    assert len(cluster.records("orders")) == 3
    assert len(fault.hits) == 1


def test_a_connection_without_its_answer_is_silent(cluster: Cluster) -> None:
    cluster.faults.on("ListOffsets").drop_response()
    with pytest.raises(Unreachable):
        ask(cluster, lambda client: _offsets(client))
    cluster.faults.clear()
    assert ask(cluster, lambda client: _offsets(client)) == 0


async def _offsets(client: ClusterClient) -> int:
    from barnabas.client.consumer import EARLIEST, list_offset
    from barnabas.types import TopicPartition

    return await list_offset(client, TopicPartition("orders", 0), EARLIEST)


def test_a_disconnect_before_anything_is_done(cluster: Cluster) -> None:
    fault = cluster.faults.on("Produce").disconnect().times(2)
    cluster.produce("orders", ["a"])
    assert len(fault.hits) == 2
    assert values(cluster, "orders") == [b"a"]


def test_a_delay_holds_back_what_follows_on_the_connection(cluster: Cluster) -> None:
    fault = cluster.faults.on("Produce", client_id="some-client").delay(80).times(1)
    leader = cluster.leader_of("orders")
    assert leader is not None
    done: list[str] = []

    async def two(client: ClusterClient) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def first() -> None:
            await client.broker(leader, ApiKey.PRODUCE, 9, produce_request("orders", [0]))
            done.append("produce")

        async def second() -> None:
            while not fault.hits:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            request = FindCoordinatorRequest(key_type=0, coordinator_keys=["g"])
            await client.broker(leader, ApiKey.FIND_COORDINATOR, 4, request)
            done.append("find")

        await asyncio.gather(first(), second())
        return loop.time() - began

    assert ask(cluster, two) >= 0.08
    assert done == ["produce", "find"]


def test_a_throttled_answer_says_for_how_long(cluster: Cluster) -> None:
    cluster.faults.on("Produce").throttle(250).times(1)
    leader = cluster.leader_of("orders")
    assert leader is not None
    answer = ask(
        cluster, lambda c: c.broker(leader, ApiKey.PRODUCE, 9, produce_request("orders", [0]))
    )
    assert answer.throttle_time == 250
    assert answer.responses[0].partition_responses[0].error_code == 0


@pytest.mark.parametrize("api", ["Fetch", "ListOffsets", "Metadata"])
def test_readers_see_errors_too(cluster: Cluster, api: str) -> None:
    cluster.produce("orders", ["a"])
    fault = cluster.faults.on(api, topic="orders").error("UNKNOWN_TOPIC_OR_PARTITION").times(1)
    if api == "Metadata":
        with pytest.raises(LookupError):
            cluster.records("orders")
    assert values(cluster, "orders") == [b"a"]
    assert len(fault.hits) == 1


def test_followers_and_the_cluster_itself_are_left_alone(cluster: Cluster) -> None:
    for api in ("Fetch", "Metadata", "DescribeCluster", "AlterPartition", "LeaderAndIsr"):
        cluster.faults.on(api).error("UNKNOWN_SERVER_ERROR")
    cluster.create_topic("other", min_isr=2)
    cluster.wait_for_brokers()
    cluster.kill(1)
    cluster.wait_for_leader("other", not_on=1)
    cluster.restart(1)
    cluster.wait_for_isr("other", isr=2)
    assert cluster.faults.hits == []


def test_other_requests_are_left_alone(cluster: Cluster) -> None:
    cluster.create_topic("others")
    never = [
        cluster.faults.on("Produce", topic="others").error("UNKNOWN_SERVER_ERROR"),
        cluster.faults.on("Produce", topic="orders", partition=1).error("UNKNOWN_SERVER_ERROR"),
        cluster.faults.on("Produce", client_id="other").error("UNKNOWN_SERVER_ERROR"),
        cluster.faults.on("Produce"),
    ]
    cluster.produce("orders", ["a"])
    assert [fault.hits for fault in never] == [[]] * 4


def test_a_rule_of_one_api_answers_with_its_own_form_of_error(cluster: Cluster) -> None:
    cluster.faults.on("InitProducerId").error("COORDINATOR_NOT_AVAILABLE").times(1)
    request = InitProducerIdRequest(
        transactional_id=None, transaction_timeout=-1, producer_id=-1, producer_epoch=-1
    )
    answer = ask(cluster, lambda client: client.any_broker(ApiKey.INIT_PRODUCER_ID, 4, request))
    assert answer.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE


def test_a_broker_that_starts_later_knows_the_rules(cluster: Cluster) -> None:
    fault = cluster.faults.on("Produce").error("NOT_LEADER_OR_FOLLOWER").times(1)
    for broker in cluster.brokers:
        cluster.kill(broker)
    for broker in cluster.brokers:
        cluster.restart(broker)
    cluster.wait_for_leader("orders")
    cluster.produce("orders", ["a"])
    assert len(fault.hits) == 1


# The rules alone


def question(**changed: Any) -> Question:
    fields: dict[str, Any] = {
        "api": int(ApiKey.PRODUCE),
        "broker": 1,
        "client_id": "c",
        "partitions": [("t", 0)],
    }
    return Question(**{**fields, **changed})


def rules(seed: int = 0) -> Faults:
    return Faults(seed, lambda apis: None, lambda name, fields: None)


def test_once_after_some() -> None:
    faults = rules()
    faults.on("Produce").error("NOT_LEADER_OR_FOLLOWER").once_after(2)
    given = [faults.judge(question()) is not None for _ in range(5)]
    assert given == [False, False, True, False, False]


def test_a_share_of_requests_is_the_same_for_the_same_seed() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = rules()
        faults.on("Produce").disconnect().probability(0.3, seed=seed)
        return [faults.judge(question()) is not None for _ in range(200)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert 30 < sum(drawn(7)) < 90


def test_the_first_rule_that_is_not_used_up_decides() -> None:
    faults = rules()
    faults.on("Produce", broker=2).delay(1)
    faults.on("Produce").delay(2).times(1)
    faults.on("Produce").delay(3)
    given = [faults.judge(question(broker=b)) for b in (1, 1, 2)]
    assert [v and v["delay_ms"] for v in given] == [2, 3, 1]


def test_requests_that_come_at_once_are_counted_one_by_one() -> None:
    faults = rules()
    fault = faults.on("Produce").disconnect().times(50)
    threads = [
        threading.Thread(target=lambda: [faults.judge(question()) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fault.hits) == 50


@pytest.mark.parametrize(
    "name", ["ListOffsets", "list_offsets", "LIST_OFFSETS", ApiKey.LIST_OFFSETS]
)
def test_apis_by_name(name: str | ApiKey) -> None:
    assert api_key(name) is ApiKey.LIST_OFFSETS


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no API is named 'Produced'"):
        rules().on("Produced")
    with pytest.raises(KeyError):
        rules().on("Produce").error("NO_SUCH_ERROR")
