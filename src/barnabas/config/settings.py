"""All settings of brokers and topics by name, from the table (``config/table/``)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from barnabas.config.checks import Value
from barnabas.config.definition import ConfigType, Setting, read_rows
from barnabas.config.table import (
    coordinators,
    log,
    replication,
    security,
    server,
    topic,
    unbuilt,
    zookeeper,
)
from barnabas.logs import visible

SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for part in (server, zookeeper, replication, log, coordinators, security, unbuilt)
    for setting in read_rows(part.ROWS)
}
"""The settings of a broker, by name."""

TOPIC_SETTINGS: Mapping[str, Setting] = {s.name: s for s in read_rows(topic.ROWS)}
"""The settings of a topic, by name and in the order of their names."""

LONG_MAX = 2**63 - 1
ASSIGNOR_CLASSES = {
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
    "uniform": "uniform",
    "range": "range",
}

_LISTENER = re.compile(r"listener\.name\.[^.]*\.(.+)")
_MECHANISM = (
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
    "connections.max.reauth.ms",
)
"""Settings for one listener and mechanism: ``listener.name.NAME.MECHANISM.SETTING``."""

_SPELLINGS = (
    ("log.roll.ms", "log.roll.hours"),
    ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
)
_FAMILIES = {
    **{name: family for family in _SPELLINGS for name in family},
    "log.flush.interval.ms": ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
}

LISTENER_LIMITS = ("max.connections", "max.connection.creation.rate")
"""Settings that may be given for one listener, apart from those of security."""


def spellings(name: str) -> tuple[str, ...]:
    """The names that can give a broker's setting; the first one that is set applies.

    They are the name itself and its spellings in other units. For a listener's own setting they are
    also those of the setting for all listeners."""
    found = _FAMILIES.get(name)
    if found is not None:
        return found
    base = of_listener(name)
    return (name,) if base is None else (name, base)


def of_listener(name: str) -> str | None:
    """The setting without its prefix ``listener.name.NAME.`` (and perhaps a mechanism); None if it
    has no such prefix."""
    match = _LISTENER.fullmatch(name)
    if match is None:
        return None
    base = match[1]
    if base.startswith("oauthbearer.sasl.oauthbearer."):
        return base.partition(".")[2]
    return next((m for m in _MECHANISM if base.endswith(m)), base)


def broker_setting(name: str) -> Setting:
    """The row of a name, or the row of the setting for all listeners. An unknown name (a plug-in's)
    gives a setting of no type, which counts as sensitive."""
    found = SETTINGS.get(name) or SETTINGS.get(of_listener(name) or "")
    return found if found is not None else unknown_setting(name)


def unknown_setting(name: str) -> Setting:
    """The setting for a name that is not in the table."""
    return Setting(name=name, type=ConfigType.UNKNOWN, default=None, doc="", importance="LOW")


def no_effect(name: str) -> str:
    """The warning for a setting that was given but has no effect."""
    near = [] if name in SETTINGS else difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.8)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{visible(name)} is set, but has no effect here{hint}"


def topic_default(name: str, values: Mapping[str, Value]) -> Value:
    """``KafkaConfig.extractLogConfigMap``: the value of a topic's setting that the topic does not
    set. ``values``: those of all settings of its broker."""
    setting = TOPIC_SETTINGS[name]
    if name == "message.format.version":
        return setting.default
    for broker_name, factor in setting.behind:
        value = values[broker_name]
        if value is None:
            continue
        if factor != 1 or name == "retention.ms":
            assert isinstance(value, int)
            value = -1 if value < 0 and name == "retention.ms" else value * factor
        if value == LONG_MAX and name in (
            "message.timestamp.before.max.ms",
            "message.timestamp.after.max.ms",
        ):
            return values["log.message.timestamp.difference.max.ms"]
        return value
    return setting.default
