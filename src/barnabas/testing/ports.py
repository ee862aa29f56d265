"""Ports that stay a cluster's own while the brokers on them are down."""

from __future__ import annotations

import socket


class Ports:
    """Ports of the system's choice. Each is held by a socket that does not listen, so that nobody
    else is given it; with SO_REUSEADDR, which servers set, a node may still listen there."""

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
