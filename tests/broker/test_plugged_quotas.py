"""A plug-in that decides on quotas: what it is asked and told, and what its errors do."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import pytest

from barnabas.broker.plugged_quotas import PluggedLimits, PluggedQuotas, PrincipalName
from barnabas.metadata_cache import MetadataCache
from barnabas.plugins import (
    ClientQuotaCallback,
    ClientQuotaEntity,
    ClientQuotaType,
    Cluster,
    ConfigEntity,
    ConfigEntityType,
    KafkaPrincipal,
)
from barnabas.quotas.client_quotas import KEPT_MAX, ClientQuotas
from barnabas.quotas.entities import CLIENT_ID, DEFAULT, USER, Entity
from barnabas.quotas.rate import Window

PRODUCE = ClientQuotaType.PRODUCE


class Callback(ClientQuotaCallback):
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.tags: Any = None
        """What it answers; None: the group that the client id begins with."""
        self.limit: Any = 1000.0
        self.reset = False
        self.error: Exception | None = None

    def quota_metric_tags(
        self, quota_type: ClientQuotaType, principal: KafkaPrincipal, client_id: str
    ) -> Mapping[str, str]:
        self.asked.append((quota_type, principal, client_id))
        if self.error is not None:
            raise self.error
        found: Mapping[str, str] = self.tags
        return {"group": client_id[:1]} if self.tags is None else found

    def quota_limit(
        self, quota_type: ClientQuotaType, metric_tags: Mapping[str, str]
    ) -> float | None:
        self.told.append((quota_type, dict(metric_tags)))
        found: float | None = self.limit
        return found

    def update_quota(
        self, quota_type: ClientQuotaType, quota_entity: ClientQuotaEntity, new_value: float
    ) -> None:
        self.told.append((quota_type, quota_entity.config_entities, new_value))

    def remove_quota(self, quota_type: ClientQuotaType, quota_entity: ClientQuotaEntity) -> None:
        self.told.append((quota_type, quota_entity.config_entities))

    def quota_reset_required(self, quota_type: ClientQuotaType) -> bool:
        was, self.reset = self.reset, False
        return was

    def update_cluster_metadata(self, cluster: Cluster) -> bool:
        self.told.append((cluster.cluster_id, cluster.topics(), cluster.nodes()))
        return bool(cluster.topics() or self.limit != 1000.0)


def _quotas(callback: Callback) -> tuple[ClientQuotas, MetadataCache]:
    quotas = ClientQuotas(Window(), Window())
    metadata = MetadataCache()
    PluggedQuotas(callback, quotas, metadata, "cluster", "PLAINTEXT")
    return quotas, metadata


def _limits(callback: Callback) -> PluggedLimits:
    found = _quotas(callback)[0].produce.limits
    assert isinstance(found, PluggedLimits)
    return found


def test_clients_with_the_same_tags_share_a_limit() -> None:
    callback = Callback()
    quotas, _ = _quotas(callback)
    assert quotas.in_force
    principal = KafkaPrincipal("Robot", "r2")
    name = PrincipalName(principal)
    assert name == "r2"
    assert quotas.produce.record(name, "a1", 9_000, 0) == 0
    assert quotas.produce.record(name, "b1", 9_000, 0) == 0
    assert quotas.produce.record(name, "a2", 9_000, 0) > 0
    assert callback.asked == [(PRODUCE, principal, c) for c in ("a1", "b1", "a2")]
    assert callback.told == [(PRODUCE, {"group": "a"}), (PRODUCE, {"group": "b"})]
    (use,) = (u for u in quotas.produce.latest(10, 0) if "a" in u.user)
    assert (use.user, use.client_id) == ("group=a", "")


def test_a_user_without_a_principal_is_of_type_user() -> None:
    callback = Callback()
    _limits(callback).of("alice", "c")
    assert callback.asked == [(PRODUCE, KafkaPrincipal("User", "alice"), "c")]


def test_the_tags_of_kafka_show_a_user_and_a_client_id() -> None:
    callback = Callback()
    limits = _limits(callback)
    for tags, key in (
        ({USER: "u", CLIENT_ID: "c"}, ("u", "c")),
        ({CLIENT_ID: "c"}, ("", "c")),
        ({}, ("", "")),
        ({USER: "u", "z": "1"}, ("user=u,z=1", "")),
    ):
        callback.tags = tags
        assert limits.of("x", "y") == (key, 1000.0)


def test_a_limit_is_asked_for_again_after_each_change() -> None:
    callback = Callback()
    quotas, metadata = _quotas(callback)
    limits = quotas.produce.limits

    def now() -> float | None:
        found = limits.of("u", "c")
        return None if found is None else found[1]

    assert now() == 1000.0
    callback.limit = 5
    assert now() == 1000.0, "nothing has changed, it says"
    callback.reset = True
    assert now() == 5.0
    callback.limit = None
    quotas.update(Entity(user="u"), {"producer_byte_rate": 7.0})
    assert now() is None
    callback.limit = 0
    for listener in list(metadata._listeners):
        listener()
    assert now() == 0.0
    callback.limit, callback.reset = math.inf, True
    assert now() is None


def test_what_it_is_told_of_quotas_in_zookeeper() -> None:
    callback = Callback()
    quotas, _ = _quotas(callback)
    user, client = ConfigEntityType.USER, ConfigEntityType.CLIENT_ID
    anyone, any_client = ConfigEntityType.DEFAULT_USER, ConfigEntityType.DEFAULT_CLIENT_ID
    for entity, named in (
        (Entity(user="u"), (ConfigEntity(user, "u"),)),
        (Entity(client_id="c"), (ConfigEntity(client, "c"),)),
        (Entity(user="u", client_id="c"), (ConfigEntity(user, "u"), ConfigEntity(client, "c"))),
        (
            Entity(user=DEFAULT, client_id=DEFAULT),
            (ConfigEntity(anyone, "<default>"), ConfigEntity(any_client, "<default>")),
        ),
    ):
        callback.told.clear()
        quotas.update(entity, {"producer_byte_rate": 7.0, "request_percentage": 50.0})
        assert callback.told == [
            (ClientQuotaType.PRODUCE, named, 7.0),
            (ClientQuotaType.FETCH, named),
            (ClientQuotaType.REQUEST, named, 50.0),
            (ClientQuotaType.CONTROLLER_MUTATION, named),
        ]
    assert quotas.in_force


@pytest.mark.parametrize(
    ("tags", "limit"),
    [
        ({"a": 5}, 1.0),
        ({5: "a"}, 1.0),
        ("text", 1.0),
        ({"a": "\ud800"}, 1.0),
        ({"a": "b"}, -1.0),
        ({"a": "b"}, math.nan),
        ({"a": "b"}, "5"),
        ({"a": "b"}, True),
    ],
)
def test_without_a_sound_answer_there_is_no_quota(
    tags: object, limit: object, caplog: pytest.LogCaptureFixture
) -> None:
    callback = Callback()
    callback.tags, callback.limit = tags, limit
    assert _limits(callback).of("u", "c") is None
    assert [r.levelno for r in caplog.records] == [logging.ERROR]


def test_its_errors_end_nothing(caplog: pytest.LogCaptureFixture) -> None:
    callback = Callback()
    quotas, metadata = _quotas(callback)
    callback.error = RuntimeError("a bug")
    for _ in range(4):
        assert quotas.produce.record("u", "c", 10**9, 0) == 0
        assert quotas.mutation.take("u", "c", 10**9, 0, strict=True) == 0
        assert quotas.fetch.most_at_once("u", "c") is None
    assert len(caplog.records) == 4, "the first, second, fourth and eighth time"

    class Broken(Callback):
        def update_quota(self, *_: Any) -> None:
            raise RuntimeError("another bug")

        def update_cluster_metadata(self, cluster: Cluster) -> bool:
            raise RuntimeError("a third")

    caplog.clear()
    quotas, metadata = _quotas(Broken())
    quotas.update(Entity(user="u"), {"producer_byte_rate": 7.0})
    for listener in list(metadata._listeners):
        listener()
    assert len(caplog.records) == 2


def test_the_tokens_of_a_sharer_are_shown() -> None:
    callback = Callback()
    quotas, _ = _quotas(callback)
    quotas.mutation.take("u", "c", 5, 0, strict=False)
    (use,) = quotas.mutation.latest(10, 0)
    assert use.user == "group=c"
    assert use.value > 0


def test_what_it_has_said_is_bounded() -> None:
    callback = Callback()
    limits = _limits(callback)
    for number in range(KEPT_MAX + 5):
        callback.tags = {"n": str(number)}
        limits.of("u", "c")
    assert len(limits._limits) <= KEPT_MAX
