"""Network namespaces: one for each broker and one for the coordinator, on a bridge where the
clients are as well. Needs root, ``ip`` and ``tc``.

A direction is blocked by a wrong neighbour entry on the sender's side: its packets go to an
Ethernet address that nobody has, and are silently gone, as in a real partition; the other
direction, and all other pairs, are untouched. No packet filter is needed.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress

NOBODY = "02:00:00:00:00:99"
CLIENTS = "clients"
NETEM = {
    "slow": ["netem", "delay", "40ms", "15ms"],
    "lossy": ["netem", "loss", "3%"],
}
TOKEN_BUCKET = {
    # For kernels without netem: a queue of up to 150 ms, and one so short that bursts are dropped.
    "slow": ["tbf", "rate", "4mbit", "burst", "4kb", "latency", "150ms"],
    "lossy": ["tbf", "rate", "8mbit", "burst", "3kb", "limit", "8kb"],
}


class NotPermitted(Exception):
    """Why there can be no namespaces here."""


def run(*command: str) -> None:
    """A command; raises NotPermitted with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPermitted(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """Hosts with addresses 10.77.N.1 and up; N and all names come from ``number``."""

    def __init__(self, number: int, hosts: list[str]) -> None:
        self.hosts = hosts
        self._prefix = f"bc{number}"
        self._subnet = f"10.77.{number}"
        self._bridge = f"{self._prefix}br"
        self._blocked: dict[tuple[str, str], None] = {}
        self._shaped: dict[str, None] = {}
        self._impostors: dict[tuple[str, str], None] = {}
        self.netem = True

    def address(self, host: str) -> str:
        last = 254 if host == CLIENTS else self.hosts.index(host) + 1
        return f"{self._subnet}.{last}"

    def namespace(self, host: str) -> str:
        return f"{self._prefix}{self.hosts.index(host) + 1}"

    def command(self, host: str) -> list[str]:
        """What to put before a command that is to run on ``host``."""
        return ["ip", "netns", "exec", self.namespace(host)]

    def _ip(self, host: str, *arguments: str) -> None:
        if host == CLIENTS:
            run("ip", *arguments)
        else:
            run("ip", "-n", self.namespace(host), *arguments)

    def _device(self, host: str) -> str:
        return self._bridge if host == CLIENTS else "eth0"

    # Life

    def build(self) -> None:
        """Raises NotPermitted, with nothing left behind."""
        if not shutil.which("ip") or not shutil.which("tc"):
            raise NotPermitted("no 'ip' and 'tc' here (Debian: iproute2)")
        self.remove()
        try:
            run("ip", "link", "add", self._bridge, "type", "bridge")
            run("ip", "address", "add", f"{self.address(CLIENTS)}/24", "dev", self._bridge)
            run("ip", "link", "set", self._bridge, "up")
            for host in self.hosts:
                self._add(host)
            self.netem = self._has_netem()
        except NotPermitted:
            self.remove()
            raise

    def _add(self, host: str) -> None:
        name = self.namespace(host)
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"{name}v", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"{name}v", "master", self._bridge, "up")
        self._ip(host, "link", "set", "lo", "up")
        self._ip(host, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
        self._ip(host, "link", "set", "eth0", "up")

    def _has_netem(self) -> bool:
        try:
            self.shape(self.hosts[0], "slow")
        except NotPermitted:
            return False
        self.unshape(self.hosts[0])
        return True

    def remove(self) -> None:
        for host in self.hosts:
            # First the link: the kernel takes those of a deleted namespace away some time later,
            # and until then their names cannot be used again.
            with suppress(NotPermitted):
                run("ip", "link", "delete", f"{self.namespace(host)}v")
            with suppress(NotPermitted):
                run("ip", "netns", "delete", self.namespace(host))
        with suppress(NotPermitted):
            run("ip", "link", "delete", self._bridge)

    # Faults

    def block(self, source: str, target: str) -> None:
        """Nothing that ``source`` sends reaches ``target``."""
        self._blocked[source, target] = None
        entry = [self.address(target), "lladdr", NOBODY, "nud", "permanent"]
        self._ip(source, "neighbor", "replace", *entry, "dev", self._device(source))

    def unblock(self, source: str, target: str) -> None:
        if (source, target) in self._blocked:
            del self._blocked[source, target]
            address = self.address(target)
            self._ip(source, "neighbor", "delete", address, "dev", self._device(source))

    def shape(self, host: str, kind: str) -> None:
        """Make the link out of ``host`` slow or lossy."""
        self._shaped[host] = None
        how = (NETEM if self.netem else TOKEN_BUCKET)[kind]
        run("tc", "-n", self.namespace(host), "qdisc", "replace", "dev", "eth0", "root", *how)

    def unshape(self, host: str) -> None:
        if host in self._shaped:
            del self._shaped[host]
            with suppress(NotPermitted):
                run("tc", "-n", self.namespace(host), "qdisc", "delete", "dev", "eth0", "root")

    def refuse(self, source: str, target: str) -> None:
        """For ``source`` the address of ``target`` leads to itself, where nobody listens: its
        connections are reset and refused, though ``target`` lives and others reach it."""
        self._impostors[source, target] = None
        self._ip(source, "address", "add", f"{self.address(target)}/32", "dev", "lo")

    def restore(self, source: str, target: str) -> None:
        if (source, target) in self._impostors:
            del self._impostors[source, target]
            self._ip(source, "address", "delete", f"{self.address(target)}/32", "dev", "lo")

    def heal(self) -> None:
        """End every fault of the network."""
        for source, target in list(self._blocked):
            self.unblock(source, target)
        for host in list(self._shaped):
            self.unshape(host)
        for source, target in list(self._impostors):
            self.restore(source, target)
