"""Network namespaces whose links can be late and lossy on any kernel: the switch is
``tests.chaos.relay``. Everything else is as in ``tests.chaos.network``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.chaos.network import CLIENTS, Network, NotPermitted, run

TUN = Path("/dev/net/tun")


class NoTap(NotPermitted):
    """This machine has namespaces, but no TAP devices."""


class RelayedNetwork(Network):
    """``CLIENTS`` are at a device in the namespace where this runs."""

    def __init__(self, number: int, hosts: list[str]) -> None:
        super().__init__(number, hosts)
        self._relay: subprocess.Popen[str] | None = None

    def _device_of(self, host: str) -> str:
        return self._bridge if host == CLIENTS else f"{self.namespace(host)}v"

    def build(self) -> None:
        if not TUN.exists():
            raise NoTap(f"no {TUN}")
        self.remove()
        everywhere = [CLIENTS, *self.hosts]
        try:
            self._relay = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.relay", *map(self._device_of, everywhere)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._hear("ready")
            run("ip", "address", "add", f"{self.address(CLIENTS)}/24", "dev", self._bridge)
            run("ip", "link", "set", self._bridge, "up")
            for host in self.hosts:
                self._add(host)
        except NotPermitted:
            self.remove()
            raise

    def _add(self, host: str) -> None:
        name = self.namespace(host)
        run("ip", "netns", "add", name)
        run("ip", "link", "set", f"{name}v", "netns", name)
        self._ip(host, "link", "set", f"{name}v", "name", "eth0")
        self._ip(host, "link", "set", "lo", "up")
        self._ip(host, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
        self._ip(host, "link", "set", "eth0", "up")

    def remove(self) -> None:
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.kill()
            relay.communicate()
        super().remove()

    def _hear(self, wanted: str) -> None:
        assert self._relay is not None
        assert self._relay.stdout is not None
        if self._relay.stdout.readline().strip() != wanted:
            raise NotPermitted("the switch does not answer")

    def weather(
        self,
        source: str = "*",
        target: str = "*",
        *,
        delay_ms: int = 0,
        jitter_ms: int = 0,
        loss: float = 0.0,
    ) -> None:
        """What happens to frames from one host (``*``: any) to another."""
        assert self._relay is not None
        assert self._relay.stdin is not None
        ends = [each if each == "*" else self._device_of(each) for each in (source, target)]
        self._relay.stdin.write(f"{ends[0]} {ends[1]} {delay_ms} {jitter_ms} {loss}\n")
        self._relay.stdin.flush()
        self._hear("done")

    def heal(self) -> None:
        super().heal()
        self.weather()
