"""DynamicBrokerConfig, its passwords: encrypts passwords among the settings in ZooKeeper.

Without ``password.encoder.secret`` there are none. To change the secret, the broker is started with
the new one, and the old one as ``password.encoder.old.secret``; it then encrypts all passwords
again. The code that encrypts is imported only if there is a password.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.definition import ConfigType
from barnabas.config.settings import broker_setting
from barnabas.errors import ConfigError
from barnabas.logs import visible

if TYPE_CHECKING:
    from barnabas.security.password_encoder import PasswordEncoder

SECRET: Final = "password.encoder.secret"
OLD_SECRET: Final = "password.encoder.old.secret"


class DynamicPasswords:
    """Encrypts and decrypts the passwords of one broker."""

    def __init__(self, config: BrokerConfig, chance: Callable[[int], bytes]) -> None:
        self._config = config
        self._chance = chance
        self._known: dict[str, str] = {}
        """Passwords decrypted before, by their encrypted text: each takes some milliseconds."""

    def check(self) -> None:
        """Raises ConfigError for an encryption that is not supported."""
        self._encoder(SECRET)

    def are_of_now(self) -> bool:
        """Whether there is no old secret."""
        return not self._config.text(OLD_SECRET) or not self._config.text(SECRET)

    def decoded(self, stored: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """(settings with decrypted passwords, name -> reason of those that cannot be decrypted)."""
        plain, unreadable = dict(stored), dict[str, str]()
        known: dict[str, str] = {}
        for name, text in stored.items():
            if not is_password(name):
                continue
            try:
                password = self._known.get(text)
                if password is None:
                    password = self._decoded(text, SECRET)
            except ValueError as error:
                del plain[name]
                unreadable[name] = str(error)
            else:
                plain[name] = known[text] = password
        self._known = known
        return plain, unreadable

    def encoded(self, plain: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
        """Settings with encrypted passwords for ZooKeeper. A password that is in ``stored`` already
        keeps its encrypted text. Raises ConfigError without a secret."""
        found, known = dict(plain), self.decoded(stored)[0]
        for name, text in plain.items():
            if not is_password(name):
                continue
            if known.get(name) == text:
                found[name] = stored[name]
                continue
            encoder = self._encoder(SECRET)
            if encoder is None:
                raise ConfigError(
                    f"{visible(name)}: passwords are not stored in ZooKeeper without {SECRET},"
                    " which is given at the start"
                )
            found[name] = encoder.encode(text, self._chance)
        return found

    def encoded_anew(self, stored: Mapping[str, str]) -> dict[str, str]:
        """The settings with passwords of the old secret encrypted with the new one."""
        encoder = self._encoder(SECRET)
        found = dict(stored)
        for name, text in stored.items():
            if encoder is None or not is_password(name):
                continue
            try:
                found[name] = encoder.encode(self._decoded(text, OLD_SECRET), self._chance)
            except ValueError:
                continue  # the new one has encrypted it, or somebody else
        return found

    def _decoded(self, text: str, setting: str) -> str:
        """The password in an encrypted text. Raises ValueError."""
        encoder = self._encoder(setting)
        if encoder is None:
            raise ValueError(f"there is no {setting}")
        return encoder.decode(text)

    def _encoder(self, setting: str) -> PasswordEncoder | None:
        secret = self._config.text(setting)
        if not secret:
            return None
        from barnabas.security.password_encoder import DEFAULT_KEY_FACTORY, PasswordEncoder

        made = PasswordEncoder(
            secret=secret,
            key_factory=self._config.text("password.encoder.keyfactory.algorithm")
            or DEFAULT_KEY_FACTORY,
            cipher=self._config.text("password.encoder.cipher.algorithm") or "",
            key_bits=self._config.integer("password.encoder.key.length"),
            iterations=self._config.integer("password.encoder.iterations"),
        )
        made.check()
        return made


def is_password(name: str) -> bool:
    """Whether a setting's value is stored encrypted: it is one of Kafka's passwords that may change
    while a broker runs."""
    setting = broker_setting(name)
    return setting.type is ConfigType.PASSWORD and setting.dynamic
