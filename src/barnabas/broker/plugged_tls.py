"""SslEngineFactory, as a broker uses it: the contexts that a plug-in makes, and makes anew."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.listener_settings import LISTENER
from barnabas.errors import BadTls, ConfigError
from barnabas.logs import visible
from barnabas.plugins.loading import RAISED, Guard, close, find, make
from barnabas.plugins.tls import SslEngineFactory
from barnabas.seams import Env
from barnabas.security.tls import TlsSettings

log = logging.getLogger("kafka.server")

LOOK_S: Final = 5.0
_SETTING: Final = "ssl.engine.factory.class"
_Run = Callable[[str, Coroutine[Any, Any, None]], None]


class PluggedContexts:
    """One plug-in, for one side of a listener. Raises ConfigError for a class that cannot be one,
    and for a context that is less than the settings require."""

    def __init__(
        self,
        env: Env,
        config: BrokerConfig,
        listener: str,
        settings: TlsSettings,
        *,
        of_server: bool,
        run: _Run,
        use: Callable[[ssl.SSLContext], None],
    ) -> None:
        """``use`` is called with each context; ``run``: starts a task that ends with the listener,
        and closes the plug-in."""
        self._setting = f"{LISTENER}{listener.lower()}.{_SETTING}"
        self._settings = settings
        self._of_server = of_server
        self._use = use

        def prepare(plugin: SslEngineFactory) -> None:
            plugin.listener_name = listener

        kind: type[Any] = SslEngineFactory
        self._plugin: SslEngineFactory = make(
            self._setting, find(env, self._setting, settings.factory, kind), config.texts, prepare
        )
        self._guard = Guard(self._setting, self._plugin)
        try:
            use(self._made())
        except RAISED as error:
            close(self._setting, self._plugin)
            if not isinstance(error, BadTls):
                self._guard.failed(error)
            raise ConfigError(f"{self._setting}: no TLS: {visible(str(error))}") from None
        run(f"TLS of {listener}", self._follow())

    def _made(self) -> ssl.SSLContext:
        """Raises BadTls, and what the plug-in raises."""
        plugin, settings = self._plugin, self._settings
        context: object = plugin.server_context() if self._of_server else plugin.client_context()
        if not isinstance(context, ssl.SSLContext):
            raise BadTls(f"a {type(context).__name__} is no ssl.SSLContext")
        if self._of_server:
            asked = {"required": (ssl.CERT_REQUIRED,), "requested": (1, 2)}
            if context.verify_mode not in asked.get(settings.client_auth, (0, 1, 2)):
                raise BadTls(f"its context does not obey ssl.client.auth={settings.client_auth}")
        elif settings.endpoint_identification and not context.check_hostname:
            raise BadTls("its context does not check the names of hosts")
        return context

    async def _follow(self) -> None:
        """Make another context when the plug-in wants that, until cancelled; then close it."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    if self._plugin.should_be_rebuilt() is True:
                        self._use(self._made())
                        log.info("%s: keys and certificates renewed", self._setting)
                except RAISED as error:
                    self._guard.failed(error)
        finally:
            close(self._setting, self._plugin)
