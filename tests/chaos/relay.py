"""A network of TAP devices whose switch is this program: frames can be late or lost, which kernels
without netem cannot do. Needs root and /dev/net/tun.

``python -m tests.chaos.relay DEVICE...`` makes the devices, says ``ready``, and then takes lines:
``FROM TO DELAY_MS JITTER_MS LOSS`` with ``*`` for all, 0 0 0 for a good link. Frames of one pair
stay in their order, as with netem's default.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import selectors
import struct
import sys
import time
from dataclasses import dataclass, field

TUNSETIFF = 0x400454CA
TAP, NO_PACKET_INFO = 0x0002, 0x1000
FRAME_MAX = 2048
WAITING_MAX = 20_000
"""Frames under way; more are lost, as in a full queue."""
BROADCAST = b"\xff" * 6


@dataclass(slots=True)
class _Link:
    """One direction between two devices."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    free_at: float = 0.0


@dataclass(slots=True)
class Switch:
    """Passes frames on between ``devices`` (their file descriptors, by name)."""

    devices: dict[str, int]
    chance: random.Random
    links: dict[tuple[str, str], _Link] = field(default_factory=dict)
    _owners: dict[bytes, str] = field(default_factory=dict)
    _waiting: list[tuple[float, int, str, bytes]] = field(default_factory=list)
    _count: int = 0

    def shape(self, source: str, target: str, delay_s: float, jitter_s: float, loss: float) -> None:
        """Set the conditions of one direction; ``*`` is any device."""
        for one in self.devices if source == "*" else [source]:
            for other in self.devices if target == "*" else [target]:
                self.links[one, other] = _Link(delay_s, jitter_s, loss)

    def take(self, source: str, frame: bytes, now: float) -> None:
        """A frame has come from a device."""
        self._owners[frame[6:12]] = source
        owner = None if frame[:6] == BROADCAST else self._owners.get(frame[:6])
        for target in self.devices if owner is None else [owner]:
            if target != source:
                self._send(source, target, frame, now)

    def _send(self, source: str, target: str, frame: bytes, now: float) -> None:
        link = self.links.get((source, target))
        if link is None:
            self._write(target, frame)
            return
        if self.chance.random() < link.loss or len(self._waiting) >= WAITING_MAX:
            return
        late = max(0.0, link.delay_s + self.chance.uniform(-link.jitter_s, link.jitter_s))
        link.free_at = max(link.free_at, now + late)
        self._count += 1
        heapq.heappush(self._waiting, (link.free_at, self._count, target, frame))

    def pass_on(self, now: float) -> float | None:
        """Write what is due; seconds until the next is, or None."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, target, frame = heapq.heappop(self._waiting)
            self._write(target, frame)
        return None if not self._waiting else self._waiting[0][0] - now

    def _write(self, target: str, frame: bytes) -> None:
        try:
            os.write(self.devices[target], frame)
        except OSError:
            pass  # a device that is down loses it


def open_tap(name: str) -> int:
    """Make a TAP device; it lives as long as its file descriptor."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), TAP | NO_PACKET_INFO))
    return tap


def main() -> None:
    """Runs until standard input ends."""
    switch = Switch({name: open_tap(name) for name in sys.argv[1:]}, random.Random(1))
    selector = selectors.DefaultSelector()
    for name, tap in switch.devices.items():
        selector.register(tap, selectors.EVENT_READ, name)
    os.set_blocking(sys.stdin.fileno(), False)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    wait: float | None = None
    while True:
        for key, _ in selector.select(wait):
            if key.data is None:
                if not _obey(switch):
                    return
                continue
            try:
                frame = os.read(key.fd, FRAME_MAX)
            except OSError:
                continue  # nothing there, or the device is on its way to its namespace
            switch.take(key.data, frame, time.monotonic())
        wait = switch.pass_on(time.monotonic())


def _obey(switch: Switch) -> bool:
    lines = os.read(sys.stdin.fileno(), 65536).decode().splitlines()
    for line in lines:
        source, target, delay_ms, jitter_ms, loss = line.split()
        switch.shape(source, target, float(delay_ms) / 1000, float(jitter_ms) / 1000, float(loss))
        print("done", flush=True)
    return bool(lines)


if __name__ == "__main__":
    main()
