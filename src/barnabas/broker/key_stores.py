"""Key and trust stores that change while a broker runs: certificates are renewed without a restart.

Their files are looked at every few seconds. New connections use what is in them then; those that
are open go on with what they began with. A file that cannot be read changes nothing, with a line
in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from barnabas.errors import BadTls
from barnabas.logs import visible
from barnabas.seams import Env

if TYPE_CHECKING:  # a broker without TLS does not import it
    from barnabas.security.tls import TlsSettings

log = logging.getLogger("kafka.server")

LOOK_S: Final = 5.0


@dataclass(slots=True)
class _Watched:
    name: str
    paths: tuple[str, ...]
    renew: Callable[[], None]
    seen: tuple[tuple[int, int], ...]


class KeyStores:
    """``run`` as a task."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._watched: list[_Watched] = []

    def watch(self, name: str, settings: TlsSettings, renew: Callable[[], None]) -> None:
        """Call ``renew``, which may raise BadTls, when a file of these settings has changed.
        ``name`` is for the log."""
        stores = (settings.keystore, settings.truststore)
        paths = tuple(dict.fromkeys(s.location for s in stores if s.location))
        if paths:
            self._watched.append(_Watched(name, paths, renew, self._state(paths)))

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Renew what has changed since the last look."""
        for each in self._watched:
            now = self._state(each.paths)
            if now == each.seen:
                continue
            each.seen = now
            try:
                each.renew()
            except BadTls as error:
                log.error("%s: not renewed: %s", each.name, visible(str(error)))
            else:
                log.info("%s: keys and certificates renewed", each.name)

    def _state(self, paths: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
        """Of each file, when it was changed and how long it is; -1 if it is not there now."""
        found = []
        for path in paths:
            try:
                found.append((self._env.files.modified_ms(path), self._env.files.size(path)))
            except OSError:
                found.append((-1, -1))
        return tuple(found)
