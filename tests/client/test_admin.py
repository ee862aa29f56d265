"""A controller that is slow, moves, or dies under a request: how the client tells these apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from tests.virtual_time import run

from barnabas.client.admin import create_topic, delete_topic, wait_for_leaders
from barnabas.client.cluster import ANSWER_MS, ClusterClient
from barnabas.client.errors import ClientError, Unanswered, Unfinished, Unreachable
from barnabas.client.metadata import ClusterView, PartitionView, TopicView
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import RequestTimedOut
from barnabas.protocol.message import Message

LATE = Unanswered(1, RequestTimedOut("no answer"), is_late=True)
LOST = Unanswered(1, ConnectionError("closed"), is_late=False)
NONE, TIMED_OUT = ErrorCode.NONE, ErrorCode.REQUEST_TIMED_OUT
EXISTS, UNKNOWN = ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class Scripted:
    """A cluster whose controller answers as told, and whose topic ``t`` grows as told."""

    timeout_ms = 10_000

    def __init__(self, *answers: ErrorCode | Exception, leaders: tuple[int | None, ...] = ()):
        self.answers = list(answers)
        self.leaders = list(leaders)
        """Partitions of four with a leader at each look; None: there is no topic."""
        self.asked = 0

    async def ask_controller(self, api: ApiKey, version: int, message: Message) -> Any:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            await asyncio.sleep(ANSWER_MS / 1000 if answer is LATE else 0.01)
            raise answer
        result = Message(error_code=int(answer), error_message=None)
        return Message(topics=[result], responses=[result])

    async def metadata(self, topics: list[str]) -> ClusterView:
        led = self.leaders.pop(0) if len(self.leaders) > 1 else self.leaders[0]
        partitions = () if led is None else tuple(_partition(n, led > n) for n in range(4))
        topic = TopicView(
            name="t",
            topic_id=None,
            error=int(UNKNOWN if led is None else NONE),
            internal=False,
            partitions=partitions,
        )
        return ClusterView(cluster_id=None, controller_id=1, brokers={}, topics={"t": topic})


def _partition(number: int, is_led: bool) -> PartitionView:
    return PartitionView(
        partition=number,
        error=0,
        leader=1 if is_led else -1,
        leader_epoch=0,
        replicas=(1,),
        isr=(1,),
        offline=(),
    )


def _run(ask: Callable[[ClusterClient], Awaitable[None]], cluster: Scripted) -> Exception | None:
    raised: list[Exception] = []

    async def main() -> None:
        try:
            await ask(cast("ClusterClient", cluster))
        except (ClientError, Unreachable) as error:
            raised.append(error)

    run(main())
    return raised[0] if raised else None


async def _create(client: ClusterClient) -> None:
    await create_topic(client, "t", partitions=4)


async def _delete(client: ClusterClient) -> None:
    await delete_topic(client, "t")


@pytest.mark.parametrize(
    ("answers", "leaders", "asked"),
    [
        pytest.param([NONE], (), 1, id="at once"),
        pytest.param([TIMED_OUT], (None, 0, 2, 4), 1, id="begun: look until it is done"),
        pytest.param([LATE, EXISTS], (3, 4), 2, id="no answer, but it was heard"),
        pytest.param([LATE, NONE], (), 2, id="no answer, and not heard"),
        pytest.param([LOST, EXISTS], (4,), 2, id="the controller died after it"),
        pytest.param([ErrorCode.NOT_CONTROLLER] * 5 + [NONE], (), 6, id="it moves"),
    ],
)
def test_a_creation_that_takes_its_time(
    answers: list[ErrorCode | Exception], leaders: tuple[int | None, ...], asked: int
) -> None:
    cluster = Scripted(*answers, leaders=leaders)
    assert _run(_create, cluster) is None
    assert cluster.asked == asked


def test_a_topic_of_somebody_else_is_refused() -> None:
    for answers in ([EXISTS], [ErrorCode.NOT_CONTROLLER, EXISTS]):
        error = _run(_create, Scripted(*answers))
        assert isinstance(error, ClientError)
        assert error.code == EXISTS


def test_a_controller_that_never_answers_is_told_from_none() -> None:
    busy = _run(_create, Scripted(LATE))
    assert isinstance(busy, Unfinished)
    assert "broker 1, has not answered in 60 s and may still be working on it" in str(busy)
    nobody = _run(_create, Scripted(ErrorCode.NOT_CONTROLLER))
    assert isinstance(nobody, Unreachable)
    assert "no controller" in str(nobody)
    assert isinstance(_run(_create, Scripted(LOST)), Unreachable)


def test_a_creation_that_stands_still_says_where() -> None:
    error = _run(_create, Scripted(TIMED_OUT, leaders=(1, 2, 3)))
    assert isinstance(error, Unfinished)
    assert "3 of 4 partitions have leaders, and nothing has changed for 30 s" in str(error)
    error = _run(_create, Scripted(TIMED_OUT, leaders=(None,)))
    assert "0 of 4 partitions" in str(error)


def test_progress_is_told_and_counts_as_such() -> None:
    told: list[tuple[int, int]] = []

    async def wait(client: ClusterClient) -> None:
        await wait_for_leaders(client, "t", timeout_ms=1500, progress=lambda *now: told.append(now))

    slowly = tuple(n for n in range(5) for _ in range(2))
    assert _run(wait, Scripted(NONE, leaders=slowly)) is None
    assert told == [(n, 4) for n in slowly][: len(told)]
    assert told[-1] == (4, 4)


@pytest.mark.parametrize(
    ("answers", "leaders"),
    [
        ([NONE], ()),
        ([TIMED_OUT], (4, 4, None)),
        ([LATE, UNKNOWN], (None,)),
        ([LOST, TIMED_OUT], (4, None)),
    ],
)
def test_a_deletion_that_takes_its_time(
    answers: list[ErrorCode | Exception], leaders: tuple[int | None, ...]
) -> None:
    assert _run(_delete, Scripted(*answers, leaders=leaders)) is None


def test_deletions_that_fail() -> None:
    unknown = _run(_delete, Scripted(UNKNOWN))
    assert isinstance(unknown, ClientError)
    assert unknown.code == UNKNOWN
    stuck = _run(_delete, Scripted(TIMED_OUT, leaders=(4,)))
    assert isinstance(stuck, Unfinished)
    assert "it is being deleted" in str(stuck)


@pytest.mark.parametrize("losses", [1, 2])
def test_a_controller_that_dies_after_long_work_is_not_taken_for_none(losses: int) -> None:
    """It has begun five hundred moves, which took longer than the client waits for a controller."""

    async def main() -> None:
        client, asked = ClusterClient("h:1", "test"), 0

        async def ask(*_: object) -> Any:
            nonlocal asked
            asked += 1
            if asked <= losses:
                await asyncio.sleep(client.timeout_ms / 1000 + 5)
                raise LOST
            return "answer"

        client.ask_controller = cast("Any", ask)  # type: ignore[method-assign]
        request: Any = Message()
        if losses == 1:
            answer: Any = await client.controller(ApiKey.CREATE_TOPICS, 7, request)
            assert answer == "answer"
        else:
            with pytest.raises(Unreachable, match="no controller"):
                await client.controller(ApiKey.CREATE_TOPICS, 7, request)

    run(main())
