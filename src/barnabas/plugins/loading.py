"""AbstractConfig.getConfiguredInstance: finds, makes and closes plug-ins, and answers for their
errors.

For a new kind of plug-in: a subclass of ``Plugin`` and ``ABC`` with abstract methods; ``find``
where the broker is put together, before it starts; ``make`` once its settings are known, those in
ZooKeeper too; every call within ``Guard.answered``, or with ``Guard.failed`` where no client waits
for an answer; and ``close`` when the broker stops. ``broker/plugged.py`` does this for the settings
that it lists. A plain broker imports nothing of this room, so it is imported where a setting is
found to be given (``broker/protection.py``).

Classes are found through the seam ``Env.find_class``, so the simulator and tests hand them in.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.logs import shortened, visible
from barnabas.plugins.base import Plugin
from barnabas.seams import Env

log = logging.getLogger("kafka.server")

P = TypeVar("P", bound=Plugin)

NEEDED: Final = (
    "a Python class is needed, named package.module.ClassName, that this broker's Python can import"
    " (docs/plugins.md); Java classes cannot be loaded"
)
TEXT_LENGTH_MAX: Final = 1000
"""Characters of an error's text that are sent to a client."""
KINDS_MAX: Final = 64
"""Kinds of errors of one plug-in that are told apart in the log."""
KIND_LENGTH_MAX: Final = 200
RAISED: Final = (Exception, SystemExit, asyncio.CancelledError)
"""What a plug-in may raise without ending its broker. A plug-in awaits nothing, so it cannot be
cancelled: if it raises CancelledError, that is its own mistake."""


def find(env: Env, setting: str, name: str, kind: type[P], *, may_wait: bool = False) -> type[P]:
    """The class of a plug-in. ``kind``: the base class that it must have; ``may_wait``: whether its
    own methods may be coroutines. Raises ConfigError, which
    names the setting, if it cannot be imported or lacks a method, or if a method is a coroutine,
    whose answer nobody would wait for."""
    try:
        found = env.find_class(name)
    except ImportError as error:
        raise ConfigError(
            f"{setting}: {name} cannot be imported ({visible(error)}); {NEEDED}"
        ) from None
    except RAISED as error:
        module, _, attribute = name.rpartition(".")
        if isinstance(error, AttributeError) and error.name == attribute:
            raise ConfigError(f"{setting}: {module} has no {attribute}; {NEEDED}") from None
        raise _broken(setting, f"{module} cannot be imported", error) from None
    if not isinstance(found, type) or not issubclass(found, kind):
        raise ConfigError(
            f"{setting}: {name} is not a subclass of barnabas.plugins.{kind.__name__}; {NEEDED}"
        )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise ConfigError(f"{setting}: {name} has no {', '.join(missing)}")
    for method in sorted(dir(kind)):
        if may_wait and not hasattr(Plugin, method):
            continue
        if inspect.iscoroutinefunction(getattr(found, method)):
            raise ConfigError(
                f"{setting}: {name}.{method} is a coroutine; a plug-in must answer at once"
            )
    return found


def make(
    setting: str,
    cls: type[P],
    settings: Mapping[str, str],
    prepare: Callable[[P], None] = lambda _: None,
) -> P:
    """An instance, configured. ``settings``: those that the broker was given; ``prepare`` is called
    before. Raises ConfigError,
    which names the setting; the traceback of the plug-in's error is logged."""
    try:
        plugin = cls()
        prepare(plugin)
    except RAISED as error:
        raise _broken(setting, f"{_name(cls)} cannot be made", error) from None
    try:
        plugin.configure(dict(settings))
    except RAISED as error:
        close(setting, plugin)
        raise _broken(setting, f"{_name(cls)} refuses its settings", error) from None
    return plugin


def start(setting: str, plugin: Plugin, begin: Callable[[], object]) -> None:
    """Call its own ``begin``. Raises ConfigError as ``make`` does."""
    try:
        begin()
    except RAISED as error:
        raise _broken(setting, f"{_name(type(plugin))} cannot start", error) from None


def close(setting: str, plugin: Plugin) -> None:
    """Close it. An exception is logged."""
    try:
        plugin.close()
    except RAISED as error:
        log.error("%s: %s cannot be closed", setting, _name(type(plugin)), exc_info=error)


class Guard(Generic[P]):
    """A plug-in whose errors do not end its broker."""

    def __init__(self, setting: str, plugin: P) -> None:
        self.plugin = plugin
        self._setting = setting
        self._failures: Counter[str] = Counter()
        """How often each kind of error came."""

    @contextmanager
    def answered(self) -> Iterator[P]:
        """A call for a client. A ``KafkaError`` of the plug-in is the client's answer. Anything
        else that it raises is logged, and raised as UNKNOWN_SERVER_ERROR without a text, since the
        text may hold what is not for clients (``ApiError.fromThrowable``)."""
        try:
            yield self.plugin
        except KafkaError as error:
            if not isinstance(error.code, ErrorCode) or error.code is ErrorCode.NONE:
                self.failed(error)
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) from None
            raise KafkaError(error.code, _text(error.message)) from None
        except RAISED as error:
            self.failed(error)
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) from None

    def failed(self, error: BaseException) -> None:
        """Log an error with its traceback. One that comes again is logged the second, the fourth,
        the eighth time, and so on: a client can cause it as often as it likes."""
        kind = _told(error)[:KIND_LENGTH_MAX]
        if kind not in self._failures and len(self._failures) >= KINDS_MAX:
            kind = ""
        self._failures[kind] += 1
        count = self._failures[kind]
        if count & (count - 1) == 0:
            name = _name(type(self.plugin))
            log.error("%s: %s failed, %d times", self._setting, name, count, exc_info=error)


def _broken(setting: str, what: str, error: BaseException) -> ConfigError:
    """Logs the error of the plug-in's own code; the line that the start is refused with."""
    log.error("%s: %s", setting, what, exc_info=error)
    return ConfigError(f"{setting}: {what}: {_told(error)}")


def _told(error: BaseException) -> str:
    try:
        text = str(error)
    except RAISED:
        text = "?"
    return shortened(visible(f"{type(error).__name__}: {text}"), TEXT_LENGTH_MAX)


def _text(text: object) -> str:
    """A text that can be sent: not too long, and without what UTF-8 cannot have."""
    sound = str(text).encode(errors="replace").decode()
    return shortened(sound, TEXT_LENGTH_MAX)


def _name(cls: type[Plugin]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
