"""Ports that stay reserved for a cluster while its brokers are down."""

from __future__ import annotations

import socket


class Ports:
    """Ports that the system chose. A socket that does not listen reserves each of them, so that no
    other process gets it. A node may still listen there with SO_REUSEADDR, which servers set."""

    def __init__(self, host: str, count: int) -> None:
        self._held: list[socket.socket] = []
        try:
            for _ in range(count):
                held = socket.socket()
                self._held.append(held)
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind((host, 0))
        except OSError:
            self.close()
            raise
        self.numbers = tuple(int(held.getsockname()[1]) for held in self._held)

    def close(self) -> None:
        for held in self._held:
            held.close()
