"""StateChangeLogger: what the controller does, for operators. The loggers are Kafka's:
``kafka.controller`` and, for single partitions, ``state.change.logger``.

Elections and ISR changes are many (one for each partition of a dead broker): they are written at
DEBUG, which IncrementalAlterConfigs turns on while the broker runs, but for unclean ones.
"""

from __future__ import annotations

import logging
from collections import Counter

from barnabas.seams import Observer

OF_CONTROLLER = logging.getLogger("kafka.controller")
OF_PARTITIONS = logging.getLogger("state.change.logger")

_LEVELS = {
    "controller_event_failed": logging.ERROR,
    "partition_offline": logging.ERROR,
    "broker_down": logging.WARNING,
    "broker_unreadable": logging.WARNING,
    "log_directory_failed": logging.WARNING,
    "partition_unreadable": logging.WARNING,
    "reassignment_refused": logging.WARNING,
    "reassignment_unreadable": logging.WARNING,
    "topic_unreadable": logging.WARNING,
    "leader_elected": logging.DEBUG,
    "isr_changed": logging.DEBUG,
}
_PER_PARTITION = ("leader_elected", "isr_changed", "partition_offline")


class Journal:
    """An observer that writes down what it hears, and tells the next one."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.counts: Counter[str] = Counter()
        """Of all that it has heard, by name; ``unclean`` are unclean elections."""

    def note(self, event: str, /, **fields: object) -> None:
        """One event of the controller; what has no level of its own is written at INFO."""
        self._observer.note(event, **fields)
        self.counts[event] += 1
        log = OF_PARTITIONS if event in _PER_PARTITION else OF_CONTROLLER
        level = _LEVELS.get(event, logging.INFO)
        if event == "leader_elected" and fields["unclean"]:
            level = logging.WARNING
            self.counts["unclean"] += 1
        if log.isEnabledFor(level):
            said = ", ".join(f"{name} {value}" for name, value in fields.items())
            log.log(level, "%s: %s", event.replace("_", " "), said)
