"""Kafka's log files: ``server.log`` and those of their own, as its ``log4j.properties`` has them.

They are written where the directory is set: ``LOG_DIR``, as Kafka's start script has it, or
``-Dkafka.logs.dir=DIR`` in ``KAFKA_LOG4J_OPTS`` or ``KAFKA_OPTS``. A file is closed each
hour and named after it; a week of them is kept. What has a file of its own stands nowhere else.
``BARNABAS_LOG_FORMAT=json`` makes each entry one line of JSON, in files and on stderr.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from logging.handlers import TimedRotatingFileHandler
from typing import Final

from barnabas.errors import ConfigError
from barnabas.logs import LOG_FORMAT, LineFormatter, log_handler, shortened, visible

SERVER_LOG: Final = "server.log"
OWN_FILES: Final = {
    "kafka.controller": "controller.log",
    "state.change.logger": "state-change.log",
    "kafka.request.logger": "kafka-request.log",
    "kafka.log.LogCleaner": "log-cleaner.log",
    "kafka.authorizer.logger": "kafka-authorizer.log",
}
KEPT_HOURS: Final = 7 * 24
FORMAT_VARIABLE: Final = "BARNABAS_LOG_FORMAT"

_PROPERTY: Final = re.compile(r"(?:^|\s)-Dkafka\.logs\.dir=(\S+)")


class JsonFormatter(LineFormatter):
    """One line of JSON for each entry."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time_ms": int(record.created * 1000),
            "level": record.levelname,
            "logger": record.name,
            "message": shortened(visible(record.getMessage())),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_directory(environ: Mapping[str, str]) -> str | None:
    """Where Kafka's log files are wanted; None if nowhere."""
    for name in ("KAFKA_LOG4J_OPTS", "KAFKA_OPTS"):
        found = _PROPERTY.search(environ.get(name, ""))
        if found is not None:
            return found[1]
    return environ.get("LOG_DIR") or None


def configure_logs(environ: Mapping[str, str], name: str = "") -> None:
    """Log to stderr and, if they are wanted, to Kafka's files. ``name``: the directory below, where
    several nodes share the variables. ConfigError if it cannot be written to."""
    level = environ.get("KAFKA_LOG4J_ROOT_LOGLEVEL", "INFO").upper()
    as_json = environ.get(FORMAT_VARIABLE, "").lower() == "json"
    formatter = JsonFormatter() if as_json else LineFormatter(LOG_FORMAT)
    handlers = [log_handler()]
    handlers[0].setFormatter(formatter)
    directory = log_directory(environ)
    if directory is not None:
        directory = os.path.join(directory, name)
        try:
            os.makedirs(directory, exist_ok=True)
            handlers.append(_file(directory, SERVER_LOG, formatter))
            for logger, file in OWN_FILES.items():
                own = logging.getLogger(logger)
                own.handlers = [_file(directory, file, formatter)]
                own.propagate = False
        except OSError as error:
            raise ConfigError(f"LOG_DIR: {directory}: {error.strerror}") from None
    try:
        logging.basicConfig(level=level, handlers=handlers, force=True)
    except ValueError as error:
        raise ConfigError(f"KAFKA_LOG4J_ROOT_LOGLEVEL: {error}") from None


def _file(directory: str, name: str, formatter: logging.Formatter) -> logging.Handler:
    handler = TimedRotatingFileHandler(
        os.path.join(directory, name), when="H", backupCount=KEPT_HOURS, encoding="utf-8"
    )
    handler.suffix = "%Y-%m-%d-%H"
    handler.extMatch = re.compile(r"^\d{4}-\d{2}-\d{2}-\d{2}$")
    handler.setFormatter(formatter)
    return handler
