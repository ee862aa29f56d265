"""Who is served when: a clock that stands still but for what the lines use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from barnabas.broker.turns import LONG_AT_ONCE, TURN_S, Line, Outcome, Turns


class World:
    """A loop of nothing but ``call_soon``, and a stopwatch."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ready: deque[Callable[[], None]] = deque()
        self.turns = Turns(self.ready.append, lambda: self.now)
        self.served: list[str] = []

    def turn(self) -> list[str]:
        """Run one turn of the loop; who was served in it."""
        self.served = []
        for _ in range(len(self.ready)):
            self.ready.popleft()()
        return self.served


class Worker(Line):
    """Has so many seconds of work, in pieces."""

    def __init__(self, world: World, name: str, work_s: float, piece_s: float = 0.0001) -> None:
        super().__init__()
        self.world = world
        self.name = name
        self.left_s = work_s
        self.piece_s = piece_s

    def take_turn(self, share_s: float) -> Outcome:
        self.world.served.append(self.name)
        until = self.world.now + share_s
        while self.left_s > 1e-9:
            self.world.now += self.piece_s
            self.left_s -= self.piece_s
            if self.world.now >= until:
                break
        return Outcome.MORE if self.left_s > 1e-9 else Outcome.IDLE


def flood(world: World, count: int, work_s: float = 1.0) -> list[Worker]:
    lines = [Worker(world, f"greedy{n}", work_s) for n in range(count)]
    for line in lines:
        world.turns.arrived(line)
    return lines


def test_who_comes_when_nobody_waits_is_served_at_once() -> None:
    world = World()
    world.turn()
    world.turns.arrived(Worker(world, "only", 0.0001))
    assert world.served == ["only"]


def test_a_turn_ends_however_many_wait() -> None:
    world = World()
    flood(world, 300)
    for _ in range(100):
        before = world.now
        world.turn()
        assert world.now - before <= 2 * TURN_S


def test_who_asks_for_little_is_served_in_the_next_turn() -> None:
    world = World()
    flood(world, 300)
    for _ in range(300):
        world.turn()
    world.turns.arrived(Worker(world, "probe", 0.0001))
    assert "probe" in world.turn()


def test_who_asks_for_little_is_served_beside_those_whose_least_work_is_long() -> None:
    """One piece of them takes more than a turn; the one that waited longest has its own."""
    world = World()
    lines = [Worker(world, f"greedy{n}", 1.0, 2 * TURN_S) for n in range(50)]
    for line in lines:
        world.turns.arrived(line)
    for _ in range(60):
        world.turn()
    for number in range(10):
        world.turns.arrived(Worker(world, f"small{number}", 0.0001))
        assert world.turn()[0] == f"small{number}"
        assert len(world.served) == 2


def test_those_that_come_anew_do_not_keep_others_from_theirs() -> None:
    world = World()
    old = flood(world, 1, 0.02)[0]
    world.turn()
    for _ in range(100):
        for number in range(60):
            world.turns.arrived(Worker(world, f"new{number}", 0.0001))
        world.turn()
    assert old.left_s <= 1e-9


def test_a_line_knows_whether_others_wait() -> None:
    world = World()
    seen: list[bool] = []

    class Curious(Worker):
        def take_turn(self, share_s: float) -> Outcome:
            seen.append(world.turns.is_waited_for)
            return super().take_turn(share_s)

    flood(world, 1, 0.1)
    for number in range(2):
        world.turns.arrived(Curious(world, f"curious{number}", 0.0001))
    world.turn()
    world.turns._oldest.clear()
    assert seen == [True, True]


def test_everybody_comes_to_an_end() -> None:
    world = World()
    lines = flood(world, 50, 0.02)
    small = 0
    while any(line.left_s > 1e-9 for line in lines):
        small += 1
        world.turns.arrived(Worker(world, f"small{small}", 0.002))
        world.turn()
        assert small < 5000
    assert not [line for line in lines if line.ticket]


def test_brokers_have_a_part_of_each_turn_and_no_more() -> None:
    world = World()
    flood(world, 100)
    world.turn()
    brokers = [Worker(world, f"broker{n}", 1.0) for n in range(100)]
    for line in brokers:
        line.is_first = True
        world.turns.arrived(line)
    for _ in range(20):
        before = world.now
        served = world.turn()
        assert served[0].startswith("broker")
        assert any(name.startswith("greedy") for name in served)
        assert world.now - before <= 3 * TURN_S


def test_a_broker_with_long_work_uses_all_of_the_part_for_brokers() -> None:
    world = World()
    flood(world, 100)
    world.turn()
    order = Worker(world, "order", 0.04)
    order.is_first = True
    world.turns.arrived(order)
    turns = 0
    while order.left_s > 1e-9:
        turns += 1
        assert any(name.startswith("greedy") for name in world.turn())
    assert turns <= 0.04 / TURN_S + 2


def test_a_broker_behind_the_clients_of_a_turn_is_served_in_that_turn() -> None:
    world = World()
    clients = [Worker(world, f"client{n}", 0.0001) for n in range(3)]
    broker = Worker(world, "broker", 0.0001)
    broker.is_first = True
    world.turns.later(clients[0])
    world.turns.arrived_behind(broker)
    for line in clients[1:]:
        world.turns.arrived(line)
    assert world.turn() == ["client0", "client1", "client2", "broker"]
    world.turns.arrived_behind(broker)  # nobody waits
    assert world.served[-2:] == ["broker", "broker"]
    assert world.turn() == []


def test_brokers_behind_a_flood_of_clients_have_no_more_than_their_part_either() -> None:
    world = World()
    flood(world, 100)
    world.turn()
    brokers = [Worker(world, f"broker{n}", 1.0) for n in range(10)]
    for line in brokers:
        line.is_first = True
        world.turns.arrived_behind(line)
    assert world.turns.is_busy
    for number in range(20):
        before = world.now
        served = world.turn()
        assert served[-1 if number == 0 else 0].startswith("broker")
        assert any(name.startswith("greedy") for name in served)
        assert world.now - before <= 3 * TURN_S


def test_few_go_on_with_long_work_and_the_next_is_told() -> None:
    world = World()
    lines = [Worker(world, f"long{n}", 0.0) for n in range(LONG_AT_ONCE + 3)]
    may = [line for line in lines if world.turns.may_go_on(line)]
    assert may == lines[:LONG_AT_ONCE]
    world.turn()
    lines[-1].used_s, lines[-2].used_s, lines[-3].used_s = 0.1, 0.2, 0.3
    world.turns.long_done(lines[0])
    assert world.turn() == [lines[-1].name]
    assert world.turns.may_go_on(lines[-1])
    assert not world.turns.may_go_on(lines[-2])


def test_who_goes_before_its_turn_to_go_on_leaves_it_to_another() -> None:
    world = World()
    lines = [Worker(world, f"long{n}", 0.0) for n in range(LONG_AT_ONCE + 3)]
    for line in lines:
        world.turns.may_go_on(line)
    world.turn()
    told, next_told, last = lines[LONG_AT_ONCE:]
    for line in lines[:LONG_AT_ONCE]:
        world.turns.long_done(line)
    world.turns.long_done(told)  # its client has gone
    assert {next_told.name, last.name} <= {*world.turn()}


def test_where_no_time_passes_counts_end_a_turn() -> None:
    world = World()
    lines = [Worker(world, f"endless{n}", 1.0, piece_s=0.0) for n in range(3)]
    for line in lines:
        line.take_turn = lambda share_s: Outcome.MORE  # type: ignore[method-assign]
        world.turns.arrived(line)
    for _ in range(10):
        world.turn()
    assert world.ready
