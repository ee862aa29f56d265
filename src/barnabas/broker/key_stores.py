"""Reloads key and trust stores while a broker runs, so that certificates are renewed without a
restart.

Their files are checked every few seconds, and after each change of a broker's settings, which may
name other files. New connections use the new content; open connections keep the old one. A file
that cannot be read is logged and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from barnabas.errors import BadTls
from barnabas.logs import visible
from barnabas.seams import Env

if TYPE_CHECKING:  # a broker without TLS does not import it
    from barnabas.security.tls import TlsSettings

log = logging.getLogger("kafka.server")

LOOK_S: Final = 5.0

_State: TypeAlias = "tuple[TlsSettings, tuple[tuple[int, int], ...]]"
"""(settings, (modification time, size) of each file that they name)."""


@dataclass(slots=True)
class _Watched:
    name: str
    settings: Callable[[], TlsSettings | None]
    renew: Callable[[TlsSettings], None]
    seen: _State | None


class KeyStores:
    """Watches stores and their settings. Run ``run`` as a task."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._watched: list[_Watched] = []

    def watch(
        self,
        name: str,
        settings: Callable[[], TlsSettings | None],
        renew: Callable[[TlsSettings], None],
    ) -> None:
        """Call ``renew``, which may raise BadTls, when ``settings`` returns other settings, or when
        a file that they name has changed. This ends when it returns None. ``name``: for the log."""
        self._watched.append(_Watched(name, settings, renew, self._state(settings())))

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Renew what has changed since the last look."""
        for each in list(self._watched):
            now = self._state(each.settings())
            if now is None:
                self._watched.remove(each)
                continue
            if now == each.seen:
                continue
            each.seen = now
            try:
                each.renew(now[0])
            except BadTls as error:
                log.error("%s: not renewed: %s", each.name, visible(str(error)))
            else:
                log.info("%s: keys and certificates renewed", each.name)

    def _state(self, settings: TlsSettings | None) -> _State | None:
        """The present state of the files; (-1, -1) for a missing one."""
        if settings is None:
            return None
        stores = (settings.keystore, settings.truststore)
        found = []
        for path in dict.fromkeys(s.location for s in stores if s.location):
            try:
                found.append((self._env.files.modified_ms(path), self._env.files.size(path)))
            except OSError:
                found.append((-1, -1))
        return settings, tuple(found)
