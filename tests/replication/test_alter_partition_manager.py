"""AlterPartition: one in flight, batched, retried; the channel to the controller. Reference 4.6."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from tests.replication.support import settle
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.protocol import codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.replication.alter_partition_manager import AlterPartitionManager
from barnabas.replication.controller_channel import ControllerChannel
from barnabas.replication.isr import AlterPartitionAnswer, IsrProposal
from barnabas.types import Endpoint, TopicPartition

ID = uuid.UUID(int=1)


class Rig:
    def __init__(self, version: int = 3) -> None:
        self.requests: list[Any] = []
        self.answers: list[Any] = []
        self.open = asyncio.Event()
        self.open.set()
        self.heard: list[tuple[int, AlterPartitionAnswer]] = []
        self.epoch: int | None = 7
        self.versions: list[int] = []
        self.manager = AlterPartitionManager(
            broker_id=1,
            broker_epoch=lambda: self.epoch,
            topic_id=lambda topic: ID if topic == "t" else None,
            send=self.send,
            version=version,
        )
        self.task = asyncio.create_task(self.manager.run())

    async def send(self, api_key: int, version: int, message: Any) -> Any:
        self.requests.append(message)
        self.versions.append(version)
        await self.open.wait()
        answer = self.answers.pop(0) if self.answers else "ok"
        if isinstance(answer, Exception):
            raise answer
        if answer != "ok":
            return answer
        partitions = [
            Message(
                partition_index=p.partition_index,
                error_code=0,
                leader_epoch=p.leader_epoch,
                partition_epoch=p.partition_epoch + 1,
                isr=[m.broker_id for m in p.new_isr_with_epochs],
            )
            for t in message.topics
            for p in t.partitions
        ]
        return Message(error_code=0, topics=[Message(topic_id=ID, partitions=partitions)])

    def submit(self, partition: int, topic: str = "t", topic_id: uuid.UUID | None = None) -> bool:
        return self.manager.submit(
            IsrProposal(
                partition=TopicPartition(topic, partition),
                leader_epoch=3,
                partition_epoch=5,
                isr_with_epochs=((1, 7), (2, 9)),
                answered=lambda answer: self.heard.append((partition, answer)),
                topic_id=topic_id,
            )
        )

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def test_one_in_flight_and_the_rest_together() -> None:
    async def main() -> None:
        rig = Rig()
        rig.open.clear()
        assert rig.submit(0)
        await settle()
        assert not rig.submit(0), "one proposal a partition"
        assert rig.submit(1)
        assert rig.submit(2)
        await settle()
        assert len(rig.requests) == 1
        rig.open.set()
        await settle()
        assert len(rig.requests) == 2
        assert [p.partition_index for p in rig.requests[1].topics[0].partitions] == [1, 2]
        assert [n for n, _ in rig.heard] == [0, 1, 2]
        assert rig.heard[0][1].isr == (1, 2)
        first = rig.requests[0]
        assert (first.broker_id, first.broker_epoch) == (1, 7)
        members = first.topics[0].partitions[0].new_isr_with_epochs
        assert [(m.broker_id, m.broker_epoch) for m in members] == [(1, 7), (2, 9)]
        assert len(rig.manager) == 0
        await rig.close()

    run(main())


def test_top_level_errors_and_lost_connections_are_tried_again_after_50_ms() -> None:
    async def main() -> None:
        rig = Rig()
        rig.answers = [
            Message(error_code=ErrorCode.STALE_BROKER_EPOCH, topics=[]),
            ConnectionError("gone"),
        ]
        loop = asyncio.get_running_loop()
        before = loop.time()
        rig.submit(0)
        while not rig.heard:  # noqa: ASYNC110  (virtual time)
            await asyncio.sleep(0.01)
        assert len(rig.requests) == 3
        assert 0.099 < loop.time() - before <= 0.13
        await rig.close()

    run(main())


def test_a_partition_missing_from_the_answer_failed_for_an_unknown_reason() -> None:
    async def main() -> None:
        rig = Rig()
        rig.answers = [Message(error_code=0, topics=[])]
        rig.submit(0)
        await settle()
        assert rig.heard[0][1].error == ErrorCode.UNKNOWN_SERVER_ERROR
        await rig.close()

    run(main())


def test_nothing_is_sent_before_registration() -> None:
    async def main() -> None:
        rig = Rig()
        rig.epoch = None
        rig.submit(0)
        await asyncio.sleep(1)
        assert not rig.requests
        rig.epoch = 8
        await asyncio.sleep(0.1)
        assert rig.requests[0].broker_epoch == 8
        await rig.close()

    run(main())


class FakeConnection:
    def __init__(self, name: int, log: list[int], answers: list[Any]) -> None:
        self.name = name
        self.log = log
        self.answers = answers
        self.closed = False

    async def send(self, api_key: int, version: int, message: Any) -> Any:
        self.log.append(self.name)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return Message(error_code=answer)

    def close(self) -> None:
        self.closed = True


def test_the_channel_finds_the_new_controller_at_once() -> None:
    async def main() -> None:
        log: list[int] = []
        answers: list[Any] = [0, 0, ErrorCode.NOT_CONTROLLER, 0, ConnectionError("x"), 0, None]
        controller: int | None = 1

        async def connect(endpoint: Endpoint) -> FakeConnection:
            return FakeConnection(endpoint.port, log, answers)

        def resolve() -> Endpoint | None:
            return None if controller is None else Endpoint("P", "PLAINTEXT", "h", controller)

        channel = ControllerChannel(resolve, connect, 1000)
        await channel.send(56, 3, Message())
        controller = 2
        await channel.send(56, 3, Message())
        assert log == [1, 1], "it stays with the one it knows"
        assert (await channel.send(56, 3, Message())).error_code == 0
        assert log == [1, 1, 1, 2]
        failed = 0
        for _ in range(3):
            try:
                await channel.send(56, 3, Message())
            except ConnectionError:
                failed += 1
        assert failed == 2, "a lost connection, and a controller that does not answer"
        controller = None
        with pytest.raises(ConnectionError, match="no controller"):
            await channel.send(56, 3, Message())

    run(main())


def test_a_proposal_is_about_the_topic_that_it_was_made_for() -> None:
    """The next one of its name starts in the same epochs: it must not get an ISR of the first."""

    async def main() -> None:
        rig, first, second = Rig(), uuid.UUID(int=1), uuid.UUID(int=2)
        rig.answers = [ConnectionError("gone")]
        assert rig.submit(0, topic_id=first)
        assert not rig.submit(0, topic_id=first)
        await settle()
        assert rig.submit(0, topic_id=second), "the first topic is gone"
        await asyncio.sleep(0.06)
        await settle()
        assert [r.topics[0].topic_id for r in rig.requests] == [first, second]
        await rig.close()

    run(main())


def test_a_request_that_fails_takes_only_its_own_connection_with_it() -> None:
    async def main() -> None:
        made: list[SlowConnection] = []

        async def connect(endpoint: Endpoint) -> SlowConnection:
            made.append(SlowConnection())
            return made[-1]

        endpoint = Endpoint("P", "PLAINTEXT", "h", 1)
        channel = ControllerChannel(lambda: endpoint, connect, 1000)
        first, second = (asyncio.create_task(channel.send(56, 3, Message())) for _ in range(2))
        await settle()
        made[0].answers[0].set_exception(ConnectionError("x"))
        await settle()
        third = asyncio.create_task(channel.send(56, 3, Message()))
        await settle()
        made[0].answers[1].set_exception(ConnectionError("x"))
        await settle()
        assert [connection.closed for connection in made] == [True, False]
        made[1].answers[0].set_result(Message(error_code=0))
        assert (await third).error_code == 0
        await asyncio.gather(first, second, return_exceptions=True)

    run(main())


class SlowConnection:
    """Answers when told to."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[Message]] = []
        self.closed = False

    async def send(self, api_key: int, version: int, message: Any) -> Message:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def close(self) -> None:
        self.closed = True


def test_topics_are_named_by_names_for_an_older_controller() -> None:
    async def main() -> None:
        stage = Rig(version=0)
        partition = Message(
            partition_index=0, error_code=0, leader_epoch=3, partition_epoch=6, isr=[1]
        )
        topic = Message(topic_name="t", topic_id=None, partitions=[partition])
        stage.answers = [Message(error_code=0, topics=[topic])]
        stage.submit(0)
        await asyncio.sleep(0.001)
        assert stage.versions == [0]
        request = stage.requests[0]
        body = codec.encode_body(ApiKey.ALTER_PARTITION, 0, request, response=False)
        decoded: Any = codec.decode_request(ApiKey.ALTER_PARTITION, 0, body)
        assert decoded.topics[0].topic_name == "t"
        assert list(decoded.topics[0].partitions[0].new_isr) == [1, 2]
        assert [answer.isr for _, answer in stage.heard] == [(1,)]
        await stage.close()

    run(main())
