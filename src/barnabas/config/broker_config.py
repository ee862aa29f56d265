"""The settings of one broker: every value with its source, checked when it is built."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from barnabas.config.definition import Value
from barnabas.config.settings import KNOWN_WITHOUT_EFFECT, SETTINGS
from barnabas.errors import ConfigError
from barnabas.types import Endpoint

INTERNAL_TOPICS = ("__consumer_offsets", "__transaction_state")


class BrokerConfig:
    """Settings given by file, environment or flag, over Kafka's defaults.

    Raises ConfigError, one line that names the setting, for anything a broker cannot run with.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given: dict[str, str] = dict(given)
        self.dynamic: Mapping[str, str] = {}
        """Settings of this broker alone, from ZooKeeper; over all others."""
        self.dynamic_default: Mapping[str, str] = {}
        """Settings of all brokers, from ZooKeeper; over those given."""
        self.ignored: list[str] = []
        """Names that are Kafka's but change nothing here; worth a warning."""
        self._values: dict[str, Value] = {}
        for name, text in given.items():
            setting = SETTINGS.get(name)
            if setting is not None:
                self._values[name] = setting.parse(text)
            elif name in KNOWN_WITHOUT_EFFECT:
                self.ignored.append(name)
            else:
                raise ConfigError(f"{name}: unknown setting{_suggestion(name)}")
        self.listeners = self._parse_listeners("listeners")
        self.advertised = self._parse_advertised()
        self.inter_broker_listener = self._inter_broker_listener()
        self._check_relations()

    def value(self, name: str) -> Value:
        """The value in force, typed as its definition says."""
        found = self._values.get(name)
        return SETTINGS[name].default if found is None else found

    def is_given(self, name: str) -> bool:
        """Whether file, environment, flag or ZooKeeper set it."""
        return name in self._values

    def integer(self, name: str) -> int:
        """A numeric setting that always has a value."""
        return cast("int", self.value(name))

    def number(self, name: str) -> float:
        return cast("float", self.value(name))

    def flag(self, name: str) -> bool:
        return cast("bool", self.value(name))

    def text(self, name: str) -> str | None:
        return cast("str | None", self.value(name))

    def texts(self, name: str) -> tuple[str, ...]:
        return cast("tuple[str, ...]", self.value(name) or ())

    @property
    def broker_id(self) -> int:
        return self.integer("broker.id")

    @property
    def log_dirs(self) -> tuple[str, ...]:
        """Absolute directories, in the order given."""
        return self.texts("log.dirs") or (cast("str", self.value("log.dir")),)

    @property
    def zookeeper_connect(self) -> str:
        connect = self.text("zookeeper.connect")
        if not connect:
            raise ConfigError("zookeeper.connect: required, as host:port[,host:port...]")
        return connect

    def with_dynamic(self, default: Mapping[str, str], own: Mapping[str, str]) -> BrokerConfig:
        """What this broker would run with under other dynamic settings, each of which has been
        checked. Raises ConfigError if it cannot, as long as it runs."""
        over = {**default, **own}
        merged = BrokerConfig({**self.given, **{n: t for n, t in over.items() if n in SETTINGS}})
        merged.given = self.given
        merged.dynamic, merged.dynamic_default = dict(own), dict(default)
        if (merged.listeners, merged.inter_broker_listener) != (
            self.listeners,
            self.inter_broker_listener,
        ):
            raise ConfigError("listeners: a change takes effect with a restart only")
        names = {e.listener for e in merged.listeners}
        for endpoint in merged.advertised:
            if endpoint.listener not in names:
                raise ConfigError(f"advertised.listeners: no listener '{endpoint.listener}'")
        return merged

    def take_over(self, other: BrokerConfig) -> None:
        """Become what ``with_dynamic`` made: whoever holds this object sees the new values."""
        self.__dict__.update(other.__dict__)

    def _parse_listeners(self, name: str) -> tuple[Endpoint, ...]:
        protocols = self._security_protocols()
        endpoints: list[Endpoint] = []
        for text in self.texts(name):
            listener, separator, address = text.partition("://")
            host, colon, port = address.rpartition(":")
            listener = listener.upper()
            if not separator or not colon or not port.isdigit() or int(port) > 65_535:
                raise ConfigError(f"{name}: '{text}' is not NAME://host:port")
            if listener not in protocols:
                raise ConfigError(f"{name}: no security protocol is mapped to '{listener}'")
            if protocols[listener] != "PLAINTEXT":
                raise ConfigError(f"{name}: {listener} is {protocols[listener]}, not served yet")
            if any(e.listener == listener for e in endpoints):
                raise ConfigError(f"{name}: listener '{listener}' stands twice")
            endpoints.append(Endpoint(listener, protocols[listener], host.strip("[]"), int(port)))
        return tuple(endpoints)

    def _security_protocols(self) -> dict[str, str]:
        protocols: dict[str, str] = {}
        for text in self.texts("listener.security.protocol.map"):
            listener, separator, protocol = text.partition(":")
            if not separator:
                raise ConfigError(
                    f"listener.security.protocol.map: '{text}' is not LISTENER:PROTOCOL"
                )
            protocols[listener.strip().upper()] = protocol.strip().upper()
        return protocols

    def _parse_advertised(self) -> tuple[Endpoint, ...]:
        if not self.is_given("advertised.listeners"):
            return self.listeners
        advertised = self._parse_listeners("advertised.listeners")
        for endpoint in advertised:
            if endpoint.host in ("", "0.0.0.0", "::"):
                raise ConfigError("advertised.listeners: a host that clients can reach is needed")
        return advertised

    def _inter_broker_listener(self) -> str:
        if not self.listeners:
            raise ConfigError("listeners: at least one is needed")
        name = (self.text("inter.broker.listener.name") or self.listeners[0].listener).upper()
        if all(e.listener != name for e in self.advertised):
            raise ConfigError(f"inter.broker.listener.name: '{name}' is not advertised")
        return name

    def _check_relations(self) -> None:
        if self.integer("replica.fetch.wait.max.ms") > self.integer("replica.lag.time.max.ms"):
            raise ConfigError("replica.fetch.wait.max.ms: must not exceed replica.lag.time.max.ms")
        if self.broker_id > self.integer("reserved.broker.max.id") and self.flag(
            "broker.id.generation.enable"
        ):
            raise ConfigError("broker.id: must not exceed reserved.broker.max.id")
        if self.broker_id < 0 and not self.flag("broker.id.generation.enable"):
            raise ConfigError("broker.id: required when broker.id.generation.enable is false")
        for what in ("session.timeout.ms", "heartbeat.interval.ms"):
            low, high = f"group.consumer.min.{what}", f"group.consumer.max.{what}"
            if (
                not self.integer(low)
                <= self.integer(f"group.consumer.{what}")
                <= self.integer(high)
            ):
                raise ConfigError(f"group.consumer.{what}: must lie between {low} and {high}")


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, [*SETTINGS, *KNOWN_WITHOUT_EFFECT], n=1)
    return f"; did you mean {near[0]}?" if near else ""
