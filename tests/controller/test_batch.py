"""ControllerBrokerRequestBatch: the original's requests, byte for byte."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from tests import places

from barnabas.controller.batch import STEP, ControlBatch
from barnabas.controller.context import ControllerContext, ReplicaAssignment
from barnabas.protocol import codec
from barnabas.protocol.header import parse_request_header
from barnabas.types import Broker, Endpoint, LeaderAndIsr

GOLDEN = places.GOLDEN / "kafka-wire.jsonl.gz"


def _golden(step: str, api_key: int) -> list[Any]:
    found = []
    with gzip.open(GOLDEN) as lines:
        for line in lines:
            frame = json.loads(line)
            if (frame["step"], frame["api"], frame["dir"]) == (step, api_key, "request"):
                raw = b"\0\0\0\0" + bytes.fromhex(frame["hex"])
                _, offset = parse_request_header(raw, 4)
                found.append(codec.decode_request(api_key, frame["version"], raw, offset))
    return found


@pytest.mark.parametrize("step", ["02-create-topics", "07-add-partitions", "10-leader-killed"])
@pytest.mark.parametrize("api_key", [4, 6])
def test_requests_have_the_originals_bytes(step: str, api_key: int) -> None:
    """Give our context what a recorded request of Kafka 3.9.1 tells, and build it anew."""
    recorded = _golden(step, api_key)
    assert recorded
    for wanted in recorded:
        context = _context_of(wanted)
        batch = ControlBatch(context, wanted.controller_id, "PLAINTEXT")
        for topic in wanted.topic_states:
            for state in topic.partition_states:
                p = context.topics[topic.topic_name].partitions[state.partition_index]
                if api_key == 4:
                    batch.lead_and_follow([0], p, is_new=state.is_new)
                else:
                    batch.metadata([p], [0])
        if not wanted.topic_states:
            batch.metadata([], [0])
        (made,) = [r for r in batch.requests() if r.api_key == api_key and r.broker_id == 0]
        ours = codec.encode_body(api_key, made.version, made.message, response=False)
        assert _sorted(codec.decode_request(api_key, made.version, ours)) == _sorted(wanted)


def _context_of(request: Any) -> ControllerContext:
    """Broker 0 stands for the receiver; it is in no list."""
    context = ControllerContext(request.controller_epoch, 0)
    leaders = getattr(request, "live_leaders", ())
    for leader in leaders:
        endpoint = Endpoint("PLAINTEXT", "PLAINTEXT", leader.host_name, leader.port)
        context.brokers[leader.broker_id] = Broker(
            id=leader.broker_id, epoch=1, endpoints=(endpoint,)
        )
    for b in getattr(request, "live_brokers", ()):
        endpoints = tuple(Endpoint(e.listener, "PLAINTEXT", e.host, e.port) for e in b.endpoints)
        context.brokers[b.id] = Broker(id=b.id, epoch=1, endpoints=endpoints, rack=b.rack)
    receiver = Broker(id=0, epoch=request.broker_epoch, endpoints=())
    context.brokers[0] = receiver
    for topic in request.topic_states:
        info = context.add_topic(topic.topic_name, topic.topic_id)
        for state in topic.partition_states:
            p = context.add_partition(
                info,
                state.partition_index,
                ReplicaAssignment(
                    replicas=tuple(state.replicas),
                    adding=tuple(getattr(state, "adding_replicas", ())),
                    removing=tuple(getattr(state, "removing_replicas", ())),
                ),
            )
            version = getattr(state, "partition_epoch", getattr(state, "zk_version", 0))
            p.leadership = LeaderAndIsr(
                leader=state.leader,
                leader_epoch=state.leader_epoch,
                isr=tuple(state.isr),
                partition_epoch=version,
                controller_epoch=state.controller_epoch,
            )
    return context


def _sorted(request: Any) -> Any:
    """The original's order is that of its hash maps."""
    for topic in request.topic_states:
        topic.partition_states = sorted(topic.partition_states, key=lambda p: p.partition_index)
    request.topic_states = sorted(request.topic_states, key=lambda t: t.topic_name)
    if hasattr(request, "live_leaders"):
        request.live_leaders = sorted(request.live_leaders, key=lambda b: b.broker_id)
    else:
        request.live_brokers = sorted((b for b in request.live_brokers if b.id), key=lambda b: b.id)
    return request


def test_very_many_partitions_are_made_in_steps_into_the_same_requests() -> None:
    """What is collected in a pause is left for the next requests."""
    context = ControllerContext(3, 0)
    for number in (1, 2):
        context.brokers[number] = Broker(id=number, epoch=number, endpoints=())
    topic = context.add_topic("t", None)
    for number in range(2 * STEP + 1):
        p = context.add_partition(topic, number, ReplicaAssignment(replicas=(1, 2)))
        p.leadership = LeaderAndIsr(
            leader=1, leader_epoch=0, isr=(1, 2), partition_epoch=0, controller_epoch=3
        )

    def collected() -> ControlBatch:
        batch = ControlBatch(context, 1, "PLAINTEXT")
        for p in list(topic.partitions.values())[1:]:
            batch.lead_and_follow((1, 2), p, is_new=True)
        return batch

    at_once = collected().requests()
    batch = collected()
    steps, pauses = batch.in_steps(), 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made = done.value
            break
        if not pauses:
            batch.lead_and_follow((2,), topic.partitions[0])
        pauses += 1
    assert pauses == 4, "two for roles, which both brokers share, and two for metadata"
    assert made == at_once
    assert len(made) == 4
    (role, *metadata) = batch.requests()
    assert role.broker_id == 2
    for request in (role, *metadata):
        assert [p.partition_index for p in request.message.topic_states[0].partition_states] == [0]
