"""Kafka's log files, where they are asked for."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from barnabas.cluster.log_files import OWN_FILES, configure_logs, log_directory
from barnabas.errors import ConfigError


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """The logs of the tests go on as they were."""
    loggers = [logging.getLogger(), *map(logging.getLogger, OWN_FILES)]
    before = [(each, each.handlers[:], each.propagate, each.level) for each in loggers]
    for each in loggers:
        each.handlers = []
    yield
    for each, handlers, propagate, level in before:
        for handler in each.handlers:
            handler.close()
        each.handlers, each.propagate = handlers, propagate
        each.setLevel(level)


def test_the_directory_is_named_as_kafka_has_it() -> None:
    assert log_directory({}) is None
    assert log_directory({"LOG_DIR": "/logs"}) == "/logs"
    assert (
        log_directory({"KAFKA_OPTS": "-Xmx1g -Dkafka.logs.dir=/own", "LOG_DIR": "/logs"}) == "/own"
    )


def test_each_logger_has_its_file(tmp_path: Path) -> None:
    configure_logs({"LOG_DIR": str(tmp_path)}, "broker-1")
    for logger in OWN_FILES:
        logging.getLogger(logger).info("of %s", logger)
    logging.getLogger("kafka.server").info("of the server\nforged")
    for logger, file in OWN_FILES.items():
        (line,) = (tmp_path / "broker-1" / file).read_text().splitlines()
        assert line.endswith(f"INFO of {logger} ({logger})")
    (line,) = (tmp_path / "broker-1" / "server.log").read_text().splitlines()
    assert line.endswith("INFO of the server\\nforged (kafka.server)")


def test_entries_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr("sys.stderr", told)
    configure_logs({"BARNABAS_LOG_FORMAT": "json"})
    try:
        raise ValueError("bad\nvalue")
    except ValueError:
        logging.getLogger("kafka.server").exception("it failed")
    (line,) = told.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"]) == ("ERROR", "kafka.server")
    assert entry["message"] == "it failed"
    assert "bad\\nvalue" in entry["error"]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="LOG_DIR"):
        configure_logs({"LOG_DIR": str(tmp_path / "file" / "below")})
    with pytest.raises(ConfigError, match="LOGLEVEL"):
        configure_logs({"KAFKA_LOG4J_ROOT_LOGLEVEL": "LOUD"})
