"""Key and trust stores that change while a broker runs: certificates are renewed without a restart.

Their files are looked at every few seconds, and whenever settings of brokers are altered; the
settings may have come to name others. New connections use what is in them then; those that are open
go on with what they began with. A file that cannot be read changes nothing, with a line in the log.
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
"""Settings, and of each of their files when it was changed and how long it is."""


@dataclass(slots=True)
class _Watched:
    name: str
    settings: Callable[[], TlsSettings | None]
    renew: Callable[[TlsSettings], None]
    seen: _State | None


class KeyStores:
    """``run`` as a task."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._watched: list[_Watched] = []

    def watch(
        self,
        name: str,
        settings: Callable[[], TlsSettings | None],
        renew: Callable[[TlsSettings], None],
    ) -> None:
        """Call ``renew``, which may raise BadTls, when ``settings`` gives others, or a file that
        they name has changed; no more once it gives None. ``name`` is for the log."""
        self._watched.append(_Watched(name, settings, renew, self._state(settings())))

    async def run(self) -> None:
        """For ever."""
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
        """-1 for a file that is not there now."""
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
