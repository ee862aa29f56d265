"""Planted in what a broker does for its clients: settings, rights, quotas, tokens, memory."""

from __future__ import annotations

from typing import Any

from tests.simulation.planted.patches import Patches

from barnabas.api import fetch as fetch_api
from barnabas.api import topic_creation
from barnabas.authorizer.acl import ResourcePattern
from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.authorizer.znodes import encode_entries, store_of
from barnabas.broker import connection as connection_module
from barnabas.broker import turns as turns_module
from barnabas.broker.connection import ClientConnection
from barnabas.broker.delegation_tokens import DelegationTokens
from barnabas.broker.exchange import Exchange
from barnabas.broker.network import NetworkServer
from barnabas.broker.quota_configs import QuotaConfigs
from barnabas.broker.topic_configs import TopicConfigRepository
from barnabas.security.sasl.scram import TokenLogin
from barnabas.zk import paths
from barnabas.zk.admin import read_config, read_configs


def _all_brokers(services: Any, _closed: Any) -> dict[int, str | None]:
    return {b.id: b.rack for b in services.metadata.brokers.values()}


def drained_broker_gets_topics(patches: Patches) -> None:
    patches.set(topic_creation, "open_brokers", _all_brokers)


def deleted_settings_kept(patches: Patches) -> None:
    """As it was: what was read is taken, whatever has become of the topic meanwhile."""

    async def ensure(self: TopicConfigRepository, topics: Any) -> None:
        unknown = [t for t in topics if t not in self._topics]
        entities = {topic: paths.topic_entity(topic) for topic in unknown}
        found = await read_configs(self._zookeeper, list(entities.values()))
        for topic, entity in entities.items():
            self._take(topic, found.get(entity, {}))

    async def on_notification(self: TopicConfigRepository, topic: str) -> None:
        if topic in self._topics:
            self._take(topic, await read_config(self._zookeeper, paths.topic_entity(topic)))

    patches.set(TopicConfigRepository, "ensure", ensure)
    patches.set(TopicConfigRepository, "on_notification", on_notification)


def question_forgotten(patches: Patches) -> None:
    patches.set(Exchange, "_is_next_ready", lambda self: self._slots[0].ready)


def fetch_not_asked(patches: Patches) -> None:
    patches.set(fetch_api, "_restrict", lambda *_: None)


def decisions_kept(patches: Patches) -> None:
    """What was decided once holds for ever."""
    patches.set(AclAuthorizer, "_changed", lambda self: None)


def not_muted(patches: Patches) -> None:
    patches.set(Exchange, "mute", lambda self, seconds: None)


def muted_for_ever(patches: Patches) -> None:
    """As with a timer that is lost."""
    patches.set(Exchange, "_unmute", lambda self: None)


def quota_change_unheard(patches: Patches) -> None:
    async def pass_over(self: QuotaConfigs, place: str) -> None:
        pass

    patches.set(QuotaConfigs, "on_notification", pass_over)


def acl_change_untold(patches: Patches) -> None:
    """As the original when it dies between its two writes: nobody else hears of the change."""

    async def write(
        self: AclAuthorizer, pattern: ResourcePattern, after: Any, version: int | None
    ) -> None:
        path = store_of(pattern).resource_path(pattern)
        if version is None and after:
            await self._zookeeper.create(path, encode_entries(after))
        elif version is not None and after:
            await self._zookeeper.set(path, encode_entries(after), version)
        elif version is not None:
            await self._zookeeper.delete(path, version)

    patches.set(AclAuthorizer, "_write", write)


def token_lasts_for_ever(patches: Patches) -> None:
    def login(self: DelegationTokens, mechanism: str, token_id: str) -> TokenLogin | None:
        found = before(self, mechanism, token_id)
        return None if found is None else found._replace(expires_ms=2**62)

    before = patches.set(DelegationTokens, "login", login)


def removed_token_kept(patches: Patches) -> None:
    def take(self: DelegationTokens, token_id: str, token: Any, size: int = 0) -> None:
        if token is not None:
            before(self, token_id, token, size)

    before = patches.set(DelegationTokens, "_take", take)


def token_change_untold(patches: Patches) -> None:
    async def write(self: DelegationTokens, part: Any, token_id: str) -> None:
        await self._zookeeper.multi([part])

    patches.set(DelegationTokens, "_write", write)


def turn_without_end(patches: Patches) -> None:
    """As it was: what has come is served before anything else is looked at."""
    for name in ("TURN_S", "SHARE_S", "ARRIVALS_S", "LINES_PER_TURN"):
        patches.set(turns_module, name, 10**9)
    for name in ("REQUESTS_PER_SHARE", "BYTES_PER_SHARE"):
        patches.set(connection_module, name, 10**9)


def answers_unbounded(patches: Patches) -> None:
    patches.set(ClientConnection, "_owes_too_much", lambda self: False)
    patches.set(NetworkServer, "_relieve", lambda self: None)


def decoded_without_bound(patches: Patches) -> None:
    patches.set(NetworkServer, "must_not_begin", lambda self, connection: False)


def memory_not_given_back(patches: Patches) -> None:
    """Of answers that were not taken when their connection ended."""

    def closed(self: NetworkServer, connection: ClientConnection) -> None:
        connection.debt = 0
        before(self, connection)

    before = patches.set(NetworkServer, "closed", closed)
