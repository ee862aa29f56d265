"""Every account of memory is given back, in whatever way a request and its connection end.

What a server and its clients hold (``account_stage.py``) is counted while they are there, and
nothing is left when they have gone.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from tests.broker.account_stage import (
    ENDS,
    HANDLERS,
    LARGE,
    LATER_S,
    MB,
    Run,
    in_steps,
    large_answer,
    question,
    questions,
    waited_for,
)

from barnabas import limits
from barnabas.api.request import Answer, Pieces, Promise, Request
from barnabas.broker.connection import ClientConnection
from barnabas.broker.network import (
    PUT_OFF_CHECKS_MAX,
    PUT_OFF_FULL_CHECKS_MAX,
)
from barnabas.broker.turns import LONG_AT_ONCE
from barnabas.pace import STEPS_PER_TURN
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import encode_request
from barnabas.protocol.message import Message

BY_THE_SERVER = ("server stops", "server aborts")
CASES = [
    (name, how)
    for name in HANDLERS
    for how in ENDS
    # Who is not read while it is worked for does not tell us that it has gone.
    if name != "endless work" or how in BY_THE_SERVER
]


@pytest.mark.parametrize("reads", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize(("name", "how"), CASES)
def test_nothing_is_left_of_a_client(name: str, how: str, reads: bool) -> None:
    run = Run(HANDLERS[name])

    async def steps(run: Run) -> None:
        for _ in range(2 if name != "endless work" else LONG_AT_ONCE + 2):
            run.connect(questions(6), reads=reads)
        await asyncio.sleep(1.0)
        waits = name.startswith(("a promise", "no ZooKeeper", "a coroutine"))
        if waits and "long work" not in name:
            assert run.server.requests.held >= 2 * limits.WAITING_FETCHES_MAX * 20_000
        if name == "a large answer" and not reads:
            assert run.server.answers.held >= LARGE
        await run.end(how)

    run.play(steps)


HALVES: dict[str, bytes] = {
    "nothing": b"",
    "a part of a length": b"\0\0",
    "a length": struct.pack(">i", 100 * MB),
    "a length and a byte": struct.pack(">i", 100 * MB) + b"\0",
    "a length and much": struct.pack(">i", 100 * MB) + bytes(200_000),
    "a question and a half": questions(1) + questions(1)[:3000],
    "a negative length": struct.pack(">i", -1),
    "a length beyond the bound": struct.pack(">i", 100 * MB + 1),
    "a header that is none": struct.pack(">ihhih", 10, 3, 4, 7, 30_000),
    "a body that is none": struct.pack(">ihhihi", 14, 3, 4, 7, -1, 2**31 - 1),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("name", HALVES)
def test_nothing_is_left_of_half_a_request(name: str, how: str) -> None:
    run = Run(lambda request: [bytes(50)] if request.body() else [])

    async def steps(run: Run) -> None:
        run.connect(HALVES[name], reads=True)
        await asyncio.sleep(1.0)
        if name.startswith("a length and"):
            assert run.server.requests.held > 0
        await run.end(how)

    run.play(steps)


def test_requests_that_fill_their_account_make_room_and_are_given_back() -> None:
    run = Run(lambda _: [bytes(50)], MB)

    async def steps(run: Run) -> None:
        for _ in range(30):
            run.connect(struct.pack(">i", 100 * MB) + bytes(100_000), reads=True)
        await asyncio.sleep(5.0)
        assert run.server.requests.most >= MB
        assert run.server.requests.held < MB
        await run.end("closes")

    run.play(steps)


def test_brokers_are_read_beyond_the_bound_of_clients() -> None:
    run = Run(lambda _: [bytes(50)], MB)

    async def steps(run: Run) -> None:
        for _ in range(30):
            run.connect(struct.pack(">i", 100 * MB) + bytes(100_000), reads=True)
        await asyncio.sleep(0.3)
        network, requests = run.server.network, run.server.requests
        assert requests.is_full
        waiting = next(iter(network._waiting))
        assert network.must_wait(waiting)
        waiting.is_first = True
        held, requests.held = requests.held, requests.bytes_max
        assert not network.must_wait(waiting)
        requests.held = requests.bytes_max + requests.reserve
        assert network.must_wait(waiting)
        requests.held = held
        await run.end("closes")

    run.play(steps)


def test_answers_that_fill_their_account_end_who_owes_most() -> None:
    run = Run(lambda _: large_answer(), MB)

    async def steps(run: Run) -> None:
        for _ in range(10):
            run.connect(questions(5), reads=False)
        await asyncio.sleep(1.0)
        assert run.server.answers.most >= MB
        assert run.server.answers.held < MB
        assert len(run.server.network._connections) < 10
        await run.end("vanishes")

    run.play(steps)


def test_what_waits_for_its_turn_to_be_answered_may_be_refused() -> None:
    """A question about the cluster, malformed, behind answers that are waited for: they arrive."""

    def handle(request: Request) -> Answer:
        if request.api_key == ApiKey.METADATA:
            request.body()
            return []
        return HANDLERS["a promise kept"](request)

    run = Run(handle)

    async def steps(run: Run) -> None:
        run.connect(questions(3) + HALVES["a body that is none"] + questions(1), reads=True)
        await asyncio.sleep(2 * LATER_S)
        assert run.clients[0].received == 3 * LARGE

    run.play(steps)


def test_what_is_soon_done_does_not_wait_for_long_work() -> None:
    def handle(request: Request) -> Answer:
        is_short = request.api_key == ApiKey.METADATA
        return in_steps(large_answer, 200 if is_short else 10**9)

    run = Run(handle)

    async def steps(run: Run) -> None:
        for _ in range(LONG_AT_ONCE + 2):
            run.connect(questions(1), reads=True)
        await asyncio.sleep(1.0)
        message = Message(topics=[], allow_auto_topic_creation=False)
        run.connect(question(ApiKey.METADATA, 4, message), reads=True)
        await asyncio.sleep(1.0)
        assert [client.received for client in run.clients] == [0] * (LONG_AT_ONCE + 2) + [LARGE]
        await run.end("server aborts")

    run.play(steps)


def test_an_answer_counts_whole_until_its_last_byte_is_taken() -> None:
    """However little of it is left: a transport holds what it was given until all of it is sent."""
    size = 10 * LARGE
    run = Run(lambda _: [bytes(size)])

    async def steps(run: Run) -> None:
        run.connect(questions(1), reads=False)
        await asyncio.sleep(1.0)
        (connection,) = run.server.network._connections
        client = run.clients[0].transport
        taken = 0
        while taken < size - 2 * LARGE:
            assert run.server.answers.held == connection.debt == size
            client.resume_reading()
            await asyncio.sleep(0)
            client.pause_reading()
            await asyncio.sleep(0.1)
            taken = run.clients[0].received
        stalled = connection.stalled
        await asyncio.sleep(2.5)
        assert connection.stalled > stalled, "nothing more of it is taken"
        client.resume_reading()
        await asyncio.sleep(1.0)
        assert run.clients[0].received == size
        assert run.server.answers.held == 0

    run.play(steps)


def test_who_takes_a_little_each_second_does_not_stand() -> None:
    size = 10 * LARGE
    run = Run(lambda _: [bytes(size)], 2 * size)

    async def steps(run: Run) -> None:
        run.connect(questions(1), reads=False)
        await asyncio.sleep(0.5)
        (connection,) = run.server.network._connections
        client = run.clients[0].transport
        for _ in range(8):
            client.resume_reading()
            await asyncio.sleep(0)
            client.pause_reading()
            await asyncio.sleep(0.7)
            assert connection.stalled == 0
        assert run.server.answers.held in (0, size)
        await run.end("closes")

    run.play(steps)


def test_few_fetches_of_a_connection_wait_and_the_rest_is_left_for_later() -> None:
    asked: list[Request] = []

    def handle(request: Request) -> Answer:
        asked.append(request)
        return HANDLERS["a promise kept"](request)

    run = Run(handle)

    async def steps(run: Run) -> None:
        run.connect(questions(10, 500), reads=True)
        await asyncio.sleep(0.9 * LATER_S)
        assert len(asked) == limits.WAITING_FETCHES_MAX
        await asyncio.sleep(LATER_S)
        assert len(asked) == 2 * limits.WAITING_FETCHES_MAX
        await asyncio.sleep(2 * LATER_S)
        assert run.clients[0].received == 10 * LARGE
        await run.end("closes")

    run.play(steps)


def test_requests_that_wait_are_begun_only_as_far_as_there_is_memory() -> None:
    """Each takes some kilobytes while it waits, however few bytes it came in."""
    asked = [0]

    def handle(request: Request) -> Answer:
        asked[0] += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        loop.call_later(LATER_S, answer.set_result, [bytes(50)])
        return Promise(answer, lambda pieces: pieces)

    run = Run(handle, MB)
    connections, each = 20, 100

    async def steps(run: Run) -> None:
        for _ in range(connections):
            run.connect(questions(each, 10), reads=True)
        await asyncio.sleep(0.9 * LATER_S)
        room = MB // limits.WAITING_REQUEST_BYTES
        assert room <= asked[0] < connections * each
        assert run.server.requests.held <= 2 * MB
        await asyncio.sleep(20 * LATER_S)
        assert asked[0] == connections * each
        assert all(client.received == each * 50 for client in run.clients)
        await run.end("closes")

    run.play(steps)


def test_a_long_request_that_cannot_be_begun_ends_its_connection() -> None:
    """Nobody knows whether there still is a client behind it; and what it holds, others miss."""
    run = Run(lambda _: in_steps(large_answer, 10**9))

    async def steps(run: Run) -> None:
        for _ in range(LONG_AT_ONCE + 3):
            run.connect(_names(30_000), reads=True)
        await asyncio.sleep(PUT_OFF_CHECKS_MAX - 1.0)
        assert len(run.server.network._connections) == LONG_AT_ONCE + 3
        await asyncio.sleep(3.0)
        assert len(run.server.network._connections) == LONG_AT_ONCE
        await run.end("server aborts")

    run.play(steps)


def test_while_requests_fill_their_account_that_happens_sooner() -> None:
    run = Run(lambda _: in_steps(large_answer, 10**9), MB)

    async def steps(run: Run) -> None:
        for _ in range(20):
            run.connect(_names(30_000), reads=True)
        await asyncio.sleep(PUT_OFF_FULL_CHECKS_MAX + 3.0)
        assert 0 < len(run.server.network._connections) <= LONG_AT_ONCE
        await run.end("server aborts")

    run.play(steps)


def test_who_may_take_long_is_handled_after_those_that_came_with_it() -> None:
    """Fetches and large frames: how long they take is only known when they are handled."""
    handled: list[str] = []

    def handle(request: Request) -> Answer:
        handled.append(ApiKey(request.api_key).name)
        return (
            [bytes(50)] if request.api_key != ApiKey.LIST_GROUPS else in_steps(large_answer, 10**9)
        )

    fetch = encode_request(ApiKey.FETCH, 4, 1, "c", _FETCH)
    run = Run(handle)

    async def steps(run: Run) -> None:
        run.connect(question(ApiKey.LIST_GROUPS, 4, Message(states_filter=[])), reads=True)
        for _ in range(4):
            run.connect(b"", reads=True)
        await asyncio.sleep(0.5)
        frames = (fetch, questions(1, 10), fetch, questions(1, 10))
        for client, frame in zip(run.clients[1:], frames, strict=True):
            client.transport.write(frame)
        await asyncio.sleep(1.0)
        assert handled == ["LIST_GROUPS", "HEARTBEAT", "HEARTBEAT", "FETCH", "FETCH"]
        await run.end("server aborts")

    run.play(steps)


def test_requests_that_wait_for_their_turn_are_answered_in_order() -> None:
    """Also if another comes while one waits, or half of one."""
    handled: list[tuple[int, int]] = []

    def handle(request: Request) -> Answer:
        handled.append((len(request.client_id or ""), len(request.frame)))
        assert not request.frame.readonly
        return [bytes(50)]

    run = Run(handle)
    frame = questions(1, 10), questions(1, 11), questions(1, 12)

    async def steps(run: Run) -> None:
        for size in (1, 2, 3):
            run.connect(questions(1, size), reads=True)
        await asyncio.sleep(0.5)
        network = run.server.network
        alone, followed, cut = network._connections

        def comes(connection: ClientConnection, data: bytes) -> None:
            connection.get_buffer(-1)[: len(data)] = data
            connection.buffer_updated(len(data))

        handled.clear()
        network.turns._schedule()  # whoever comes now waits for a turn
        comes(alone, frame[0])
        comes(followed, frame[0])
        comes(followed, frame[1])
        comes(cut, frame[0])
        comes(cut, frame[2][:20])
        assert not handled
        await asyncio.sleep(0.1)
        assert [size for size, _ in handled] == [10, 10, 11, 10]
        comes(cut, frame[2][20:])
        await asyncio.sleep(0.1)
        assert handled[4:] == [(12, len(frame[2]) - 4)]
        assert [client.received for client in run.clients] == [100, 150, 150]
        assert all(c.is_reading and not c.waiting for c in network._connections)
        await run.end("closes")

    run.play(steps)


def test_a_follower_is_answered_after_those_that_come_with_it() -> None:
    """It is sent then what they have sent; all the same it comes before those that have to wait."""
    handled: list[str] = []

    def handle(request: Request) -> Answer:
        request.from_broker = request.api_key == ApiKey.FETCH
        handled.append(ApiKey(request.api_key).name)
        return [bytes(50)]

    fetch = encode_request(ApiKey.FETCH, 4, 1, "c", _FETCH)
    run = Run(handle)

    async def steps(run: Run) -> None:
        for frame in (fetch, b"", b""):
            run.connect(frame, reads=True)
        await asyncio.sleep(0.5)
        assert handled == ["FETCH"]
        assert [c.is_first for c in run.server.network._connections] == [True, False, False]
        for client, frame in zip(run.clients, (fetch, *[questions(1, 10)] * 2), strict=True):
            client.transport.write(frame)
        await asyncio.sleep(0.5)
        assert handled[1:] == ["HEARTBEAT", "HEARTBEAT", "FETCH"]
        assert [client.received for client in run.clients] == [100, 50, 50]
        await run.end("closes")

    run.play(steps)


_FETCH = Message(replica_id=-1, max_wait=0, min_bytes=0, max_bytes=1, isolation_level=0, topics=[])


def test_many_that_waited_are_given_up_a_part_a_turn() -> None:
    """The ends of very many requests, of connections that end at once, leave others their turns."""
    given_up: list[float] = []

    def handle(request: Request) -> Answer:
        loop = asyncio.get_running_loop()
        request.from_broker = True
        return Promise(
            loop.create_future(), lambda _: [], lambda: given_up.append(run.server.env.stopwatch())
        )

    run = Run(handle)
    connections, each = 40, 200

    async def steps(run: Run) -> None:
        for _ in range(connections):
            run.connect(questions(each, 10), reads=True)
        await asyncio.sleep(LATER_S)
        turns = [0]

        def turn() -> None:
            turns[0] += 1
            if len(given_up) < connections * each:
                loop.call_soon(turn)

        loop = run.server.network.loop
        for connection in list(run.server.network._connections):
            loop.call_soon(connection.abort)
        loop.call_soon(turn)
        await asyncio.sleep(3.0)
        assert len(given_up) == connections * each
        assert turns[0] >= connections * each // STEPS_PER_TURN

    run.play(steps)


def _asked_for(request: Request) -> Answer:
    async def wait() -> Pieces:
        await request.while_asked(asyncio.sleep(10**6))
        return []

    return wait()


@pytest.mark.parametrize("how", ["closes", "resets", "server stops", "server aborts"])
def test_nothing_waits_for_a_client_that_has_gone(how: str) -> None:
    run = Run(_asked_for)

    async def steps(run: Run) -> None:
        for _ in range(3):
            run.connect(questions(2), reads=True)
        await asyncio.sleep(1.0)
        assert sum(not task.done() for task in run.server.tasks) == 6
        await run.end(how)
        await asyncio.sleep(1.0)
        assert all(task.done() for task in run.server.tasks)

    run.play(steps)


def test_a_wait_whose_client_is_there_comes_to_its_end() -> None:
    async def wait(request: Request) -> Pieces:
        await request.while_asked(asyncio.sleep(LATER_S))
        with pytest.raises(ZeroDivisionError):
            await request.while_asked(waited_for(lambda: 1 // 0))
        return large_answer()

    run = Run(wait)

    async def steps(run: Run) -> None:
        run.connect(questions(1), reads=True)
        await asyncio.sleep(3 * LATER_S)
        assert run.clients[0].received == LARGE

    run.play(steps)


def _names(count: int) -> bytes:
    message = Message(topics=[Message(name="n")] * count, allow_auto_topic_creation=False)
    return question(ApiKey.METADATA, 9, message)


def test_requests_are_decoded_only_as_far_as_there_is_memory() -> None:
    """Each takes 4,000 times 600 bytes once it is decoded, far more than its 12 kB."""
    count, each = 4000, 4000 * limits.DECODED_ELEMENT_BYTES
    bound = 4 * each
    held: list[int] = []

    def handle(request: Request) -> Answer:
        held.append(run.server.requests.held)
        return HANDLERS["a promise kept"](request)

    run = Run(handle, bound)

    async def steps(run: Run) -> None:
        for _ in range(40):
            run.connect(_names(count), reads=True)
        await asyncio.sleep(1.0)
        # The bound, the reserve, and what was begun with the last bytes of them; small change.
        assert 4 * each <= run.server.requests.most <= bound + bound // 4 + 2 * each
        assert len(held) < 10
        assert run.server.network._held_back
        await asyncio.sleep(20 * LATER_S)
        assert len(held) == 40, "each had its turn"
        assert all(client.received == LARGE for client in run.clients)
        await run.end("closes")

    run.play(steps)


def test_who_is_held_back_and_goes_leaves_nothing() -> None:
    run = Run(HANDLERS["a promise kept"], 4 * 4000 * limits.DECODED_ELEMENT_BYTES)

    async def steps(run: Run) -> None:
        for _ in range(40):
            run.connect(_names(4000), reads=True)
        await asyncio.sleep(1.0)
        assert run.server.network._held_back
        await run.end("resets")

    run.play(steps)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "kafka.network")
