"""Directories of logs."""

from __future__ import annotations

from pathlib import Path

from barnabas.config.broker_config import BrokerConfig


def test_log_dirs_with_a_common_beginning_are_two() -> None:
    assert BrokerConfig({"log.dirs": "/data/1/,/data/10"}).log_dirs == ("/data/1", "/data/10")
    assert BrokerConfig({"log.dir": "here"}).log_dirs == (str(Path("here").resolve()),)
