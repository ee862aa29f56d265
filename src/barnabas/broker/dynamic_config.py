"""DynamicBrokerConfig: the settings in ``/config/brokers/N`` and ``/config/brokers/<default>``,
kept current; the first override the second.

They are read at the start, and when a notification names one of the two nodes. Settings that cannot
be used (another tool wrote them) are left out and logged, as in Kafka.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from barnabas.broker.dynamic_passwords import DynamicPasswords
from barnabas.config.broker_config import BrokerConfig, Snapshot
from barnabas.config.dynamic import usable
from barnabas.config.protection import check_dynamic_protection
from barnabas.config.settings import broker_setting, no_effect
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.zk import paths
from barnabas.zk.admin import change_config, read_configs
from barnabas.zookeeper.client.client import ZooKeeperClient

log = logging.getLogger("kafka.server")

KEEP_EVERYTHING = {"log.retention.ms": "-1", "log.retention.bytes": "-1"}
"""Used if the settings cannot be read at the start: they may say that records are kept for ever."""


class DynamicBrokerConfig:
    """Keeps ``config`` as in ZooKeeper; ``config`` calls its followers after changes."""

    def __init__(
        self,
        config: BrokerConfig,
        zookeeper: ZooKeeperClient,
        chance: Callable[[int], bytes],
        check: Callable[[Snapshot], None] = lambda _: None,
        was_read: Callable[[], None] = lambda: None,
    ) -> None:
        """``chance``: gives random bytes for encryption. ``check``: checks settings against the
        rest of the broker before they are stored. ``was_read``: called after each read, even
        without changes."""
        self._config = config
        self._zookeeper = zookeeper
        self._passwords = DynamicPasswords(config, chance)
        self.check = check
        self._was_read = was_read
        self._reading = asyncio.Lock()
        self._broker_id = -1

    async def load(self, broker_id: int) -> None:
        """Read both nodes at the start, once the broker's id is known. Raises ConfigError if its
        own node has a security setting that must not be ignored. While the broker runs, such a
        change is ignored with an error in the log."""
        self._broker_id = broker_id
        self._passwords.check()
        await self._encode_anew(paths.broker_entity(broker_id))
        await self.read(starting=True)

    async def _encode_anew(self, own: str) -> None:
        """Encrypt passwords with the present secret that were encrypted with the old one."""
        if self._passwords.are_of_now():
            return
        stored = (await read_configs(self._zookeeper, [own], unreadable={})).get(own, {})
        if self._passwords.encoded_anew(stored) != stored:
            await change_config(self._zookeeper, own, self._passwords.encoded_anew)
            log.info("the passwords of %s are encrypted with a new secret", own)

    async def on_notification(self, entity: str) -> None:
        """The settings of broker ``entity``, or ``<default>``, have changed."""
        if entity in (paths.DEFAULT_ENTITY, str(self._broker_id)):
            await self.read()

    async def read(self, *, starting: bool = False) -> None:
        """Read both nodes and apply them."""
        own, default = paths.broker_entity(self._broker_id), paths.broker_entity(None)
        async with self._reading:  # so that what was read last is applied last
            found = await read_configs(
                self._zookeeper,
                [default, own],
                unreadable=KEEP_EVERYTHING if starting else None,
            )
            mine = self._own(own, found.get(own, {}), starting=starting)
            self._apply(
                _usable(found.get(default, {}), default, per_broker=False),
                _usable(mine, own, per_broker=True),
                starting=starting,
            )
        self._was_read()

    def _own(self, own: str, stored: Mapping[str, str], *, starting: bool) -> dict[str, str]:
        """This broker's own settings, with decrypted passwords. Raises ConfigError at the start
        only."""
        found, unreadable = self._passwords.decoded(stored)
        for name, why in unreadable.items():
            text = f"{visible(name)}: {why}, from {paths.CONFIG}/{own}"
            if starting:
                raise ConfigError(text)
            log.error("ignored: %s", text)
        if starting:
            for name, text in found.items():
                _refuse_protection(own, name, text)
        return found

    # What others write and read there

    def readable(self, stored: Mapping[str, str]) -> dict[str, str]:
        """A broker's settings in ZooKeeper, with decrypted passwords. Those that cannot be
        decrypted are left out."""
        return self._passwords.decoded(stored)[0]

    def storable(self, settings: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
        """The settings, encrypted, to replace ``stored`` in ZooKeeper. Raises ConfigError for a
        password if there is no secret to encrypt it with."""
        return self._passwords.encoded(settings, stored)

    def _apply(self, default: Mapping[str, str], own: Mapping[str, str], *, starting: bool) -> None:
        config = self._config
        try:
            merged = config.with_dynamic(default, own, starting=starting)
        except ConfigError as error:
            if starting and any(broker_setting(name).restart for name in own):
                where = f"{paths.CONFIG}/{paths.broker_entity(self._broker_id)}"
                raise ConfigError(f"{error}, from {where}") from None
            log.error("dynamic settings cannot be applied: %s", error)
            return
        known = set(config.without_effect())
        changed = config.take_over(merged)
        if changed:
            log.info("settings of this broker changed: %s", visible(", ".join(sorted(changed))))
        for name in config.without_effect():
            if name not in known:
                log.warning("%s", no_effect(name))


def _refuse_protection(entity: str, name: str, text: str) -> None:
    setting = broker_setting(name)
    if setting.restart and setting.is_default(setting.parse(text)):
        return  # it asks for nothing, and is ignored
    try:
        check_dynamic_protection(name, text)
    except ConfigError as error:
        raise ConfigError(f"{error}, from {paths.CONFIG}/{entity}") from None


def _usable(found: Mapping[str, str], entity: str, *, per_broker: bool) -> dict[str, str]:
    kept = usable(found, per_broker=per_broker)
    ignored = [name for name in found if name not in kept]
    if ignored:
        log.error("%s: ignored: %s", entity, visible(", ".join(ignored)))
    return kept
