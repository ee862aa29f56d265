"""Plans with log directories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.api import kit

from barnabas.admin.plan_json import Plan
from barnabas.cli.directory_moves import DirectoryMoves, state_text
from barnabas.cli.reassign import Asked, execute
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.client.replica_directories import Location, locations
from barnabas.types import TopicPartition

TWO = {"log.dirs": "/data/one,/data/two"}
OTHER = {"/data/one": "/data/two", "/data/two": "/data/one"}
T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)
PLAIN = Asked(
    listing=False,
    planning=False,
    topic=(),
    partition=None,
    brokers=[],
    replicas=None,
    only_needed=False,
    disable_rack_aware=False,
    execute="plan.json",
    throttle=None,
    timeout=60,
    rollback=None,
    no_wait=False,
    additional=False,
    verify=None,
    cancel=None,
)


def test_what_is_told_of_a_replica() -> None:
    assert state_text(Location(directory="/a"), "/a") == "moved"
    assert state_text(Location(directory="/b"), "/a") == "is in /b"
    assert state_text(Location(), "/a") == "not there yet"
    assert state_text(Location(directory="/a", moving_to="/b"), "/a") == "is in /a, moves to /b"
    going = Location(directory="/b", moving_to="/a", lag=7)
    assert state_text(going, "/a") == "moves to /a, 7 records to copy"


def test_replicas_are_made_in_their_directories_or_move_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One goes to another broker, into the directory with more replicas; one stays, and changes
    its directory. No partition moves if a directory is not there."""

    async def scenario(asking: kit.Client) -> None:
        await asking.place("t", (1,), (1,))
        await asking.place("u", (2,))
        for n in range(5):
            await asking.produce("t", b"x" * 1000, str(n).encode(), broker=1)
        async with ClusterClient("b1:9092", "test") as client:
            await client.metadata()
            there = (await locations(client, {1: [T0, T1], 2: [TopicPartition("u", 0)]}))[1]
            fuller = (await locations(client, {2: [TopicPartition("u", 0)]}))[2]
            to = fuller[TopicPartition("u", 0)].directory
            at = there[T1].directory
            assert to is not None
            assert at is not None
            replicas = {T0: (2,), T1: (1,)}
            plan = Plan(replicas=replicas, directories={T0: {2: to}, T1: {1: "/data/three"}})
            with pytest.raises(
                ClientError, match="t-1 at broker 1, /data/three: LOG_DIR_NOT_FOUND"
            ):
                await execute(client, plan, PLAIN, "table")
            plan = Plan(replicas=replicas, directories={T0: {2: to}, T1: {1: OTHER[at]}})
            before = DirectoryMoves(client=client, wanted=plan.directories, timeout_s=9)
            assert await before.states() == {(T0, 2): "not there yet", (T1, 1): f"is in {at}"}
            assert await execute(client, plan, PLAIN, "table") == 0
            found = await locations(client, {1: [T1], 2: [T0]})
            assert found == {
                1: {T1: Location(directory=OTHER[at])},
                2: {T0: Location(directory=to)},
            }
            assert set((await before.states()).values()) == {"moved"}
            assert capsys.readouterr().out.count("moved") == 2
            await client.metadata()
            assert client.view.replicas()[T0] == (2,)

    kit.run(scenario, brokers=2, settings=TWO)


@asynccontextmanager
async def one_replica(asking: kit.Client) -> AsyncIterator[tuple[ClusterClient, str]]:
    """A client, and the directory at broker 1 in which a topic's only replica is."""
    await asking.place("t", (1,))
    async with ClusterClient("b1:9092", "test") as client:
        await client.metadata()
        at = (await locations(client, {1: [T0]}))[1][T0].directory
        assert at is not None
        yield client, at


def test_a_replica_that_is_to_stay_is_not_copied_on() -> None:
    async def scenario(asking: kit.Client) -> None:
        async with one_replica(asking) as (client, at):
            moves = DirectoryMoves(client=client, wanted={T0: {1: OTHER[at]}}, timeout_s=9)
            await moves.begin()
            await moves.cancel()
            place = (await locations(client, {1: [T0]}))[1][T0]
            assert place in (Location(directory=at), Location(directory=OTHER[at]))
            await moves.cancel()
            await moves.begin()
            await moves.finish()
            assert set((await moves.states()).values()) == {"moved"}

    kit.run(scenario, settings=TWO)


def test_a_broker_that_does_not_answer_is_told_of_and_the_others_too() -> None:
    async def scenario(asking: kit.Client) -> None:
        async with one_replica(asking) as (client, at):
            moves = DirectoryMoves(client=client, wanted={T0: {9: "/a", 1: at}}, timeout_s=9)
            assert await moves.states() == {(T0, 9): "broker 9 does not answer", (T0, 1): "moved"}

    kit.run(scenario, settings=TWO)
