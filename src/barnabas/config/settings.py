"""Every setting by name, from the one table (``config/table/``): a broker's and a topic's."""

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
"""Of a broker."""

TOPIC_SETTINGS: Mapping[str, Setting] = {s.name: s for s in read_rows(topic.ROWS)}
"""Of a topic, in the order of their names."""

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
"""Set for a listener and a mechanism: ``listener.name.NAME.MECHANISM.SETTING``."""

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
"""Not of security, and obeyed for one listener as well."""


def spellings(name: str) -> tuple[str, ...]:
    """The settings that a broker's setting can come from, strongest first, itself among them: its
    spellings in other units; for a listener's own setting also that of all listeners."""
    found = _FAMILIES.get(name)
    if found is not None:
        return found
    base = of_listener(name)
    return (name,) if base is None else (name, base)


def of_listener(name: str) -> str | None:
    """The setting that ``listener.name.NAME.`` (and perhaps a mechanism) is put before; or None."""
    match = _LISTENER.fullmatch(name)
    if match is None:
        return None
    base = match[1]
    if base.startswith("oauthbearer.sasl.oauthbearer."):
        return base.partition(".")[2]
    return next((m for m in _MECHANISM if base.endswith(m)), base)


def broker_setting(name: str) -> Setting:
    """What is known of a name: its own row, or the row of all listeners; for any other name (a
    plug-in's) a setting of no type, which is sensitive, because it might be."""
    found = SETTINGS.get(name) or SETTINGS.get(of_listener(name) or "")
    return found if found is not None else unknown_setting(name)


def unknown_setting(name: str) -> Setting:
    """A name that is not in the table."""
    return Setting(name=name, type=ConfigType.UNKNOWN, default=None, doc="", importance="LOW")


def no_effect(name: str) -> str:
    """The warning for a name that is given and that nothing here obeys."""
    near = [] if name in SETTINGS else difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.8)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{visible(name)} is set, but has no effect here{hint}"


def topic_default(name: str, values: Mapping[str, Value]) -> Value:
    """What a topic's setting is where the topic has none, by the ``values`` of its broker, in which
    every setting has one. ``KafkaConfig.extractLogConfigMap``."""
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
