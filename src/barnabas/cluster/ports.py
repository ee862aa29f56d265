"""Ports that stay reserved for a cluster while its brokers are down."""

from __future__ import annotations

import socket
from collections.abc import Sequence


class Ports:
    """Ports of a cluster. A socket that does not listen reserves each of them, so that no other
    process gets it. A node may still listen there with SO_REUSEADDR, which servers set."""

    def __init__(self, host: str, wanted: Sequence[int]) -> None:
        """``wanted`` are port numbers; for 0 the system chooses one. OSError if one is taken."""
        self._held: list[socket.socket] = []
        try:
            for number in wanted:
                held = socket.socket()
                self._held.append(held)
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind((host, number))
        except OSError as error:
            self.close()
            raise OSError(error.errno, f"{error.strerror}: {host}:{number}") from None
        self.numbers = tuple(int(held.getsockname()[1]) for held in self._held)

    def close(self) -> None:
        for held in self._held:
            held.close()
