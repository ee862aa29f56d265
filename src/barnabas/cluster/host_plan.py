"""The brokers of one host, from one server.properties: a broker for each core. Pure.

One loop uses one core, so a machine with many cores runs several brokers. Their ids are in a row,
their ports at a distance, each has a directory of its own below every log directory, and all have
the host as their rack, so that no two replicas of a partition are on it while other hosts have
brokers (KIP-36).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from barnabas.config.java import parse_csv
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.names import number_in

BROKERS_MAX: Final = 256
PORT_MAX: Final = 65_535
FIRST_PAUSE_S: Final = 1.0
PAUSE_MAX_S: Final = 60.0
STEADY_S: Final = 60.0
"""A broker that ran for so long is started again after the first pause."""
_BOUND: Final = ("listeners", "barnabas.http.listener")
"""Settings with ports that this host listens on."""
_PORTS: Final = (*_BOUND, "advertised.listeners")
_ADDRESS: Final = re.compile(r"(.*:)([0-9]{1,5})")
_DEFAULT_LISTENERS: Final = "PLAINTEXT://:9092"
_DEFAULT_LOG_DIR: Final = "/tmp/kafka-logs"


def broker_settings(given: Mapping[str, str], count: int, host: str) -> list[dict[str, str]]:
    """server.properties of each broker, the first one's id and ports being those that are given.
    ``host``: the rack, unless ``broker.rack`` is given. ConfigError."""
    if not 1 <= count <= BROKERS_MAX:
        raise ConfigError(f"--brokers: between 1 and {BROKERS_MAX}")
    first = _first_id(given)
    distance = port_distance(given, count)
    return [_settings(given, first + i, i * distance, host) for i in range(count)]


def _first_id(given: Mapping[str, str]) -> int:
    name = "node.id" if given.get("node.id") else "broker.id"
    number = number_in(given.get(name, "").strip())
    if number is None:
        raise ConfigError(
            f"{name}: the id of this host's first broker is needed; the others have the next ones"
        )
    return number


def port_distance(given: Mapping[str, str], count: int) -> int:
    """How far the ports of one broker are from those of the next: the least distance with which no
    two brokers have the same one. ConfigError if there are not enough ports."""
    ports = [port for name in _BOUND for port in _ports(_value(given, name)) if port]
    advertised = [port for port in _ports(given.get("advertised.listeners", "")) if port]
    most = max([*ports, *advertised], default=1)
    for distance in range(1, PORT_MAX):
        if most + (count - 1) * distance > PORT_MAX:
            break
        taken = {port + i * distance for port in ports for i in range(count)}
        if len(taken) == count * len(ports):
            return distance
    raise ConfigError(f"listeners: {count} brokers have no room for their ports below {PORT_MAX}")


def _value(given: Mapping[str, str], name: str) -> str:
    text = given.get(name, "")
    return text or (_DEFAULT_LISTENERS if name == "listeners" else "")


def _ports(text: str) -> Iterator[int]:
    for item in parse_csv(text):
        found = _ADDRESS.fullmatch(item)
        if found:
            yield int(found[2])


def _settings(given: Mapping[str, str], broker: int, shift: int, host: str) -> dict[str, str]:
    found = dict(given)
    found.pop("node.id", None)
    found["broker.id"] = str(broker)
    if not found.get("broker.rack"):
        found["broker.rack"] = host
    for name in _PORTS:
        text = _value(found, name)
        if text:
            found[name] = ",".join(_shifted(item, shift) for item in parse_csv(text))
    directories = parse_csv(found.get("log.dirs") or found.pop("log.dir", "") or _DEFAULT_LOG_DIR)
    found.pop("log.dir", None)
    found["log.dirs"] = ",".join(f"{d.rstrip('/')}/broker-{broker}" for d in directories)
    if found.get("barnabas.events.file"):
        found["barnabas.events.file"] += f".broker-{broker}"
    return found


def _shifted(address: str, shift: int) -> str:
    """Port 0 stays: the system chooses another one for each broker."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[2]) == 0:
        return address
    return f"{found[1]}{int(found[2]) + shift}"


class Restarts:
    """When a broker that has ended is started again: after 1 s, 2 s, 4 s … 60 s."""

    def __init__(self) -> None:
        self._pause_s = FIRST_PAUSE_S

    def pause_s(self, ran_s: float) -> float:
        """How long to wait, for a broker that has run for ``ran_s``."""
        if ran_s >= STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        pause = self._pause_s
        self._pause_s = min(2 * pause, PAUSE_MAX_S)
        return pause


def systemd_unit(
    program: str, config: str, brokers: str, user: str, directories: Sequence[str]
) -> str:
    """A systemd service for one host. ``directories``: what the brokers write to. ConfigError for
    text that a unit cannot have."""
    for text in (program, config, brokers, user, *directories):
        if not text.isprintable() or any(c in text for c in "\"'\\%$"):
            raise ConfigError(f"{visible(text)}: cannot be written into a systemd unit")
    writes = " ".join(f'"{path}"' for path in directories)
    return f"""[Unit]
Description=Barnabas brokers of this host
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
ExecStart="{program}" host --config "{config}" --brokers {brokers}
# Brokers are started again by the host process; this is for the host process itself.
Restart=on-failure
RestartSec=2
# SIGTERM goes to the host process, which stops one broker after another.
KillMode=mixed
TimeoutStartSec=10min
TimeoutStopSec=10min
LimitNOFILE=1048576
UMask=0027

NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={writes}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
