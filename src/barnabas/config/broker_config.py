"""KafkaConfig: all settings of a broker. They are checked when it is built; parts of the broker can
follow changes."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from barnabas.config.authorization import (
    Authorization,
    read_authorization,
)
from barnabas.config.checks import Value
from barnabas.config.java import parse_csv
from barnabas.config.listener_changes import check_listeners
from barnabas.config.listener_settings import ListenerSecurity, are_plain, plain
from barnabas.config.listeners import Listeners, read_listeners
from barnabas.config.log_dirs import check_log_dirs
from barnabas.config.protection import check_protection
from barnabas.config.relations import check_relations, complete
from barnabas.config.settings import (
    LISTENER_LIMITS,
    SETTINGS,
    broker_setting,
    of_listener,
    spellings,
)
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.types import Endpoint

if TYPE_CHECKING:  # a broker without logins does not import it
    from barnabas.config.jaas_file import Sections

INTERNAL_TOPICS = ("__consumer_offsets", "__transaction_state")


class Snapshot:
    """The settings that a broker runs with at one time. It never changes.

    Raises ConfigError for anything that a broker cannot run with: one line that names the setting.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        default: Mapping[str, str] | None = None,
        own: Mapping[str, str] | None = None,
        sections: Sections | None = None,
    ) -> None:
        """``sections``: those of the JAAS file, for listeners without logins of their own."""
        self.dynamic_default: Mapping[str, str] = dict(default or {})
        self.dynamic: Mapping[str, str] = dict(own or {})
        self.texts = _merged(given, self.dynamic_default, self.dynamic)
        """The text of every setting that was given, by name."""
        self.authorization = read_authorization(self.texts)
        for name, text in self.texts.items():
            broker_setting(name).parse(text)
            check_protection(name, text, self.authorization)
        self.given_values = {
            name: SETTINGS[name].parse(text)
            for name, text in self.texts.items()
            if name in SETTINGS
        }
        self.values = complete(self.given_values)
        self.listeners: Listeners = read_listeners(self.values, self.texts)
        self.security = self._security(sections)
        """The security of each listener, by its name."""
        check_relations(self.values, self.texts)
        check_log_dirs(self.log_dirs)

    def _security(self, sections: Sections | None) -> dict[str, ListenerSecurity]:
        listeners, texts = self.listeners, self.texts
        if are_plain(texts, listeners.bound):
            return plain(listeners.bound)
        from barnabas.config.listener_security import read_security  # with TLS and SASL

        if sections:
            from barnabas.config.jaas_file import logins_of_file

            texts = {**texts, **logins_of_file(sections, self.values, texts, listeners.bound)}
        between_brokers = (listeners.inter_broker, listeners.control_plane)
        return read_security(self.values, texts, listeners.bound, between_brokers)

    @property
    def log_dirs(self) -> tuple[str, ...]:
        """The log directories in the order given, as normalized absolute paths."""
        dirs = self.values["log.dirs"]
        text = cast("str", self.values["log.dir"] if dirs is None else dirs)
        return tuple(os.path.abspath(path) for path in parse_csv(text))

    def without_effect(self) -> list[str]:
        """The names that were given but have no effect; each deserves a warning."""
        found = []
        for name, text in self.texts.items():
            setting = broker_setting(name)
            if self.authorization is not None and self.authorization.reads(name):
                continue
            known = name in SETTINGS or setting.restart  # a listener's own, of security
            known = known or of_listener(name) in LISTENER_LIMITS
            if not known or (not setting.effect and not setting.is_default(setting.parse(text))):
                found.append(name)
        return found


def _merged(given: Mapping[str, str], *layers: Mapping[str, str]) -> dict[str, str]:
    """The settings given, overridden by each layer from ZooKeeper in turn. A setting in a later
    layer removes all its spellings (as ``log.retention.hours``) from earlier ones."""
    merged = dict(given)
    for layer in layers:
        for name, text in layer.items():
            if name in SETTINGS:
                for spelling in spellings(name):
                    merged.pop(spelling, None)
            merged[name] = text
    return merged


class BrokerConfig:
    """All settings: Kafka's defaults, overridden by file, environment and flags, and these by
    ZooKeeper's. Raises ConfigError as ``Snapshot`` does."""

    def __init__(self, given: Mapping[str, str], sections: Sections | None = None) -> None:
        """``sections``: those of the JAAS file that the settings name."""
        self.given: dict[str, str] = _with_both_ids(given)
        self._sections = sections
        self._now = Snapshot(self.given, sections=sections)
        self._followers: list[tuple[frozenset[str] | None, Callable[[], None]]] = []

    @property
    def dynamic(self) -> Mapping[str, str]:
        """ZooKeeper's settings for this broker only. They override all others."""
        return self._now.dynamic

    @property
    def dynamic_default(self) -> Mapping[str, str]:
        """ZooKeeper's settings for all brokers. They override those that were given."""
        return self._now.dynamic_default

    @property
    def listeners(self) -> tuple[Endpoint, ...]:
        return self._now.listeners.bound

    @property
    def advertised(self) -> tuple[Endpoint, ...]:
        return self._now.listeners.advertised

    @property
    def inter_broker_listener(self) -> str:
        return self._now.listeners.inter_broker

    @property
    def authorization(self) -> Authorization | None:
        """The authorizer's settings; None if everybody may do everything."""
        return self._now.authorization

    @property
    def control_plane_listener(self) -> str:
        """The listener for the controller's requests: the one between brokers, unless another is
        named."""
        return self._now.listeners.control_plane

    @property
    def security(self) -> Mapping[str, ListenerSecurity]:
        """The security of each listener, by its name."""
        return self._now.security

    @property
    def values(self) -> Mapping[str, Value]:
        """The value of every setting in the table, by name."""
        return self._now.values

    @property
    def texts(self) -> Mapping[str, str]:
        """The settings that were given in any way, as written. Plug-ins' settings are among
        them."""
        return self._now.texts

    def without_effect(self) -> list[str]:
        """The names that were given but have no effect; each deserves a warning."""
        return self._now.without_effect()

    def summary(self) -> str:
        """The settings that were given, as one line for the log. Values that may be secret are
        hidden."""
        return ", ".join(
            f"{visible(name)}={'[hidden]' if broker_setting(name).sensitive else text!a}"
            for name, text in self.texts.items()
        )

    def value(self, name: str) -> Value:
        """The current value, typed as its definition says."""
        return self._now.values[name]

    def is_given(self, name: str) -> bool:
        """Whether file, environment, flag or ZooKeeper set it."""
        return name in self._now.given_values

    def integer(self, name: str) -> int:
        """A numeric setting that always has a value."""
        return cast("int", self.value(name))

    def number(self, name: str) -> float:
        return cast("float", self.value(name))

    def flag(self, name: str) -> bool:
        return cast("bool", self.value(name))

    def text(self, name: str) -> str | None:
        return cast("str | None", self.value(name))

    def texts_of(self, name: str) -> tuple[str, ...]:
        """The items of a list."""
        return cast("tuple[str, ...]", self.value(name) or ())

    @property
    def broker_id(self) -> int:
        return self.integer("broker.id")

    @property
    def log_dirs(self) -> tuple[str, ...]:
        """The log directories in the order given, as normalized absolute paths."""
        return self._now.log_dirs

    @property
    def zookeeper_connect(self) -> str:
        connect = self.text("zookeeper.connect")
        if not connect:
            raise ConfigError("zookeeper.connect: required, as host:port[,host:port...]")
        return connect

    # While it runs

    def with_dynamic(
        self, default: Mapping[str, str], own: Mapping[str, str], *, starting: bool = False
    ) -> Snapshot:
        """The settings that this broker would have with other dynamic settings, each of which has
        been checked. Raises ConfigError if the running broker could not change to them.
        ``starting``: it does not listen yet, so its listeners may change freely."""
        merged = Snapshot(self.given, default, own, self._sections)
        if not starting:
            check_listeners(*(self._now.listeners, merged.listeners, self._now.texts, merged.texts))
        return merged

    def follow(self, apply: Callable[[], None], *names: str) -> None:
        """Call ``apply`` after a change of one of ``names``, or of any setting if no names are
        given. For settings that are copied elsewhere."""
        self._followers.append((frozenset(names) or None, apply))

    def take_over(self, other: Snapshot) -> frozenset[str]:
        """Use ``other`` from now on, and call the followers. Returns the names that changed."""
        before, self._now = self._now, other
        changed = frozenset(
            name
            for name in (*before.texts, *other.texts)
            if before.texts.get(name) != other.texts.get(name)
        )
        for names, apply in self._followers:
            if changed and (names is None or names & changed):
                apply()
        return changed


def _with_both_ids(given: Mapping[str, str]) -> dict[str, str]:
    """``node.id`` is another name of ``broker.id``."""
    both = dict(given)
    for name, other in (("broker.id", "node.id"), ("node.id", "broker.id")):
        if name not in both and other in both:
            both[name] = both[other]
    return both
