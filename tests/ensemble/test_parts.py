"""The parts of ``make ensemble`` that need no ensemble: the switch and the names of multis."""

from __future__ import annotations

import os
import random

import pytest
from tests.chaos.relay import BROADCAST, Switch
from tests.ensemble.multis import MULTIS
from tests.ensemble.proxy import kind_of
from tests.ensemble.run import BEGIN, END, write
from tests.ensemble.stage import Row

from barnabas.zookeeper.client.operations import CheckOp, CreateOp, MultiOp, Root, SetOp

A, B = b"aaaaaa", b"bbbbbb"


class Wires:
    """A switch between pipes."""

    def __init__(self) -> None:
        self.readers = {}
        writers = {}
        for name in ("one", "other", "third"):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            self.readers[name], writers[name] = reader, writer
        self.switch = Switch(writers, random.Random(7))

    def arrived(self, name: str) -> bytes:
        try:
            return os.read(self.readers[name], 10_000)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for end in (*self.readers.values(), *self.switch.devices.values()):
            os.close(end)


def frame(to: bytes, source: bytes, text: bytes = b"") -> bytes:
    return to + source + text


@pytest.fixture
def wires():  # type: ignore[no-untyped-def]
    made = Wires()
    yield made
    made.close()


def test_the_switch_learns_where_addresses_are(wires: Wires) -> None:
    wires.switch.take("one", frame(BROADCAST, A), 0.0)
    assert wires.arrived("other") == wires.arrived("third") == frame(BROADCAST, A)
    assert wires.arrived("one") == b""
    wires.switch.take("other", frame(A, B), 0.0)
    assert wires.arrived("one") == frame(A, B)
    assert wires.arrived("third") == b""


def test_frames_of_one_direction_are_late_and_in_order(wires: Wires) -> None:
    wires.switch.take("other", frame(BROADCAST, B), 0.0)
    wires.switch.shape("one", "other", 0.2, 0.1, 0.0)
    for number in range(20):
        wires.switch.take("one", frame(B, A, b"%02d" % number), number / 1000)
    assert wires.switch.pass_on(0.05) is not None
    assert wires.arrived("other") == b""
    assert wires.switch.pass_on(1.0) is None
    assert wires.arrived("other") == b"".join(frame(B, A, b"%02d" % n) for n in range(20))
    wires.switch.take("other", frame(A, B, b"back"), 1.0)
    wires.switch.take("one", frame(BROADCAST, A), 1.0)
    assert wires.arrived("third").endswith(frame(BROADCAST, A))


def test_a_share_of_frames_is_lost(wires: Wires) -> None:
    wires.switch.take("other", frame(BROADCAST, B), 0.0)
    wires.switch.shape("one", "*", 0.0, 0.0, 0.5)
    for _ in range(200):
        wires.switch.take("one", frame(B, A), 0.0)
    wires.switch.pass_on(0.0)
    assert 60 < len(wires.arrived("other")) // 12 < 140


def test_kinds_of_multis() -> None:
    state = "/brokers/topics/orders.{}/partitions/{}/state"
    ops = [CheckOp("/controller_epoch", 3)]
    ops += [SetOp(state.format(n, n), b"", n) for n in range(3)]  # type: ignore[misc]
    _, record = MultiOp(ops).request(Root())
    assert kind_of(record) == ("check /controller_epoch; set /brokers/topics/T/partitions/N/state")
    _, record = MultiOp([CreateOp("/brokers/ids/12", b""), SetOp("/x", b"", 0)]).request(Root())
    assert kind_of(record) == "create /brokers/ids/N; set /x"
    assert len(MULTIS) % 2 == 0


def test_the_page_gets_its_table(tmp_path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write(page, [Row("all", "", "acknowledged=7")])
    text = page.read_text()
    assert "old" not in text
    assert "| all | acknowledged=7 |" in text
    assert text.startswith("before\n")
    assert text.endswith(f"{END}after\n")
