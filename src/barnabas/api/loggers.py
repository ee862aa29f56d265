"""Describes and alters the levels of this broker's loggers while it runs (KIP-412).

Altered levels last until the process ends. Levels have Kafka's names: TRACE is below Python's
DEBUG, and FATAL is Python's CRITICAL. DELETE gives a logger the root's level.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from barnabas.api.config_alteration import broker_id_of, invalid
from barnabas.config.dynamic import Operation, OpType
from barnabas.errors import ErrorCode, KafkaError

ROOT = "root"
LEVELS = {
    "TRACE": 5,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}


def levels() -> dict[str, str]:
    """Logger -> its current level; the root is first."""
    found = {ROOT: _name_of(logging.getLogger().getEffectiveLevel())}
    for name in sorted(logging.Logger.manager.loggerDict):
        logger = logging.Logger.manager.loggerDict[name]
        if isinstance(logger, logging.Logger):
            found[name] = _name_of(logger.getEffectiveLevel())
    return found


def _name_of(level: int) -> str:
    return max((n for n in LEVELS if LEVELS[n] <= level), key=LEVELS.__getitem__, default="TRACE")


def check_broker(broker_id: int, name: str) -> None:
    """Raise INVALID_REQUEST unless the resource's name is that of this broker."""
    if broker_id_of(name, "Node") != broker_id:
        raise invalid(f"Unexpected node id. Expected {broker_id}, but received {name}")


def alter(operations: Sequence[Operation], *, validate_only: bool) -> None:
    """Set levels: all of them, or none if one cannot be set. Raises KafkaError."""
    known = levels()
    for operation in operations:
        _check(operation, known)
    if validate_only:
        return
    for operation in operations:
        logger = logging.getLogger(None if operation.name == ROOT else operation.name)
        is_set = operation.type is OpType.SET
        logger.setLevel(LEVELS[operation.value] if is_set else logging.NOTSET)


def _check(operation: Operation, known: dict[str, str]) -> None:
    name = operation.name
    if operation.type not in (OpType.SET, OpType.DELETE):
        raise invalid(
            f"{operation.type.name} operation is not allowed for the BROKER_LOGGER resource"
        )
    if name not in known:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Logger {name} does not exist!")
    if operation.type is OpType.SET and operation.value not in LEVELS:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Cannot set the log level of {name} to {operation.value} as it is not a supported log"
            f" level. Valid log levels are {', '.join(sorted(LEVELS))}",
        )
    if operation.type is OpType.DELETE and name == ROOT:
        raise invalid(f"Removing the log level of the {ROOT} logger is not allowed")
