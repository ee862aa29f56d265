"""What operators read in the log of the controller."""

from __future__ import annotations

import logging

import pytest
from tests.controller.kit import Cluster, run

from barnabas.controller.journal import Journal
from barnabas.seams import SilentObserver


def test_a_broker_dies(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        cluster = Cluster()
        await cluster.start(1, 2)
        await cluster.crash(2)
        await cluster.settle()
        await cluster.stop()

    run(main)
    said = [(r.levelname, r.message) for r in caplog.records if r.name == "kafka.controller"]
    assert said == [
        ("INFO", "controller elected: broker 1, epoch 1"),
        ("INFO", "controller ready: broker 1, epoch 1, brokers [1]"),
        ("INFO", "broker up: broker 2, epoch 22, reason registered"),
        ("WARNING", "broker down: broker 2, reason session gone"),
        ("INFO", "controller resigned: broker 1, epoch 1, reason stopped"),
    ]


def test_elections_are_written_when_asked_for_or_unclean(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "state.change.logger")
    journal = Journal(SilentObserver())
    journal.note("leader_elected", topic="t", partition=0, leader=1, unclean=False)
    assert caplog.records == []
    journal.note("leader_elected", topic="t", partition=0, leader=1, unclean=True)
    journal.note("partition_offline", topic="t", partition=1, isr=[2], reason="no live replica")
    assert [r.levelname for r in caplog.records] == ["WARNING", "ERROR"]
    caplog.set_level(logging.DEBUG, "state.change.logger")
    journal.note("isr_changed", topic="t", partition=0, isr=[1])
    assert caplog.records[-1].message == "isr changed: topic t, partition 0, isr [1]"
