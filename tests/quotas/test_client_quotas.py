"""Whose quota counts, who shares it, and what is charged."""

from __future__ import annotations

import math

import pytest

from barnabas.errors import ErrorCode, KafkaError
from barnabas.quotas import client_quotas
from barnabas.quotas.client_quotas import (
    IDLE_MS_MAX,
    ClientQuotas,
    Limits,
    MutationQuota,
    MutationQuotas,
    RateQuotas,
    Use,
)
from barnabas.quotas.entities import DEFAULT, Entity
from barnabas.quotas.rate import Window

LEVELS = [
    (Entity("u", "c"), ("u", "c")),
    (Entity("u", DEFAULT), ("u", "c")),
    (Entity("u"), ("u", "")),
    (Entity(DEFAULT, "c"), ("u", "c")),
    (Entity(DEFAULT, DEFAULT), ("u", "c")),
    (Entity(DEFAULT), ("u", "")),
    (Entity(client_id="c"), ("", "c")),
    (Entity(client_id=DEFAULT), ("", "c")),
]
"""Strongest first, as recorded, and who shares the quota."""


def test_the_strongest_of_eight_levels_counts() -> None:
    limits = Limits()
    assert limits.of("u", "c") is None
    for number, (entity, key) in enumerate(reversed(LEVELS)):
        limits.set(entity, number)
        assert limits.of("u", "c") == (key, number)
    for number, (entity, _) in reversed(list(enumerate(reversed(LEVELS)))):
        found = limits.of("u", "c")
        assert found is not None
        assert found[1] == number
        limits.set(entity, None)
    assert not limits


def test_without_a_client_id_a_users_quota_counts() -> None:
    limits = Limits()
    for number, (entity, _) in enumerate(LEVELS):
        limits.set(entity, number)
    assert limits.of("u", "") == (("u", ""), 2)
    assert limits.of("other", "") == (("other", ""), 5)


def test_a_user_shares_his_quota_among_his_clients() -> None:
    quotas = RateQuotas(Window())
    quotas.limits.set(Entity("u"), 100)
    assert quotas.record("u", "one", 1000, 0) == 0
    assert quotas.record("u", "two", 1000, 0) == 10_000
    assert quotas.record("other", "one", 1e9, 0) == 0
    assert len(quotas) == 1


def test_a_default_gives_each_a_budget_of_his_own() -> None:
    quotas = RateQuotas(Window())
    quotas.limits.set(Entity(DEFAULT), 100)
    assert quotas.record("u", "c", 1000, 0) == 0
    assert quotas.record("v", "c", 1000, 0) == 0
    assert quotas.record("v", "c", 100, 0) == 1000
    quotas.unrecord("v", "c", 100, 0)
    assert quotas.record("v", "c", 0, 0) == 0
    assert quotas.most_at_once("v", "c") == 1000


def test_a_new_quota_counts_what_was_recorded_under_the_old() -> None:
    quotas = RateQuotas(Window())
    quotas.limits.set(Entity("u"), 1000)
    assert quotas.record("u", "c", 2000, 0) == 0
    quotas.limits.set(Entity("u"), 100)
    assert quotas.record("u", "c", 0, 0) == 10_000


def test_who_does_nothing_for_an_hour_is_forgotten() -> None:
    quotas = RateQuotas(Window())
    quotas.limits.set(Entity(DEFAULT), 100)
    for name in "abc":
        quotas.record(name, "", 1, 0)
    quotas.record("a", "", 1, IDLE_MS_MAX - 1)
    quotas.record("d", "", 1, IDLE_MS_MAX)
    assert len(quotas) == 2


def test_names_that_clients_make_up_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_quotas, "KEPT_MAX", 10)
    quotas = RateQuotas(Window())
    quotas.limits.set(Entity(client_id=DEFAULT), 100)
    quotas.record("u", "busy", 2000, 0)
    for number in range(1000):
        quotas.record("u", f"c{number}", 1, 0)
        quotas.record("u", "busy", 0, 0)
        quotas.record("u", "x" * 30_000 + str(number), 1, 0)
    assert all(len(name) <= 64 for key in quotas._kept._stats for name in key)
    assert len(quotas) <= 11
    assert quotas.record("u", "busy", 0, 0) == 10_000


def test_what_sharers_use_and_wait() -> None:
    quotas = RateQuotas(Window())
    quotas.limits.set(Entity(client_id=DEFAULT), 100)
    quotas.limits.set(Entity("u"), 1e9)
    assert quotas.record("v", "a", 500, 20) == 0
    assert quotas.record("v", "b", 2000, 20) == 10_000
    assert quotas.record("v", "b", 1000, 20) == 20_000
    assert quotas.record("u", "c", 700, 20) == 0
    assert quotas.latest(9, 20) == [
        Use("u", "", 70, 0),
        Use("", "b", 300, 15_000),
        Use("", "a", 50, 0),
    ]
    assert [use.client_id for use in quotas.latest(2, 20)] == ["", "b"]
    quotas.record("u", "c", 0, 30)
    assert [use.throttle_ms for use in quotas.latest(9, 11_020)] == [0, 0, 0], "not lately"
    assert quotas.latest(9, IDLE_MS_MAX + 20) == [Use("u", "", 0, 0)], "the others are idle"


def test_what_is_left_of_mutations() -> None:
    quotas = MutationQuotas(Window())
    quotas.limits.set(Entity("u"), 1)
    quotas.take("u", "c", 13, 0, strict=False)
    assert quotas.latest(9, 0) == [Use("u", "", -2, 2000)]
    assert quotas.latest(9, 3000) == [Use("u", "", 1, 2000)]
    quotas.limits.set(Entity("u"), None)
    assert quotas.latest(9, 3000) == []


def test_a_look_at_the_mutations_of_a_long_name_takes_nothing_away() -> None:
    """It is kept by its hash, for which only the default's quota would be found."""
    quotas, name = MutationQuotas(Window()), "u" * 300
    quotas.limits.set(Entity(DEFAULT), 1)
    quotas.limits.set(Entity(name), 100)
    quotas.take(name, "", 10, 0, strict=False)
    for _ in range(2):
        (use,) = quotas.latest(9, 0)
        assert use.value == 1090
    assert quotas.take(name, "", 1090, 0, strict=True) == 0


def test_mutations_of_new_versions_are_refused_once_there_is_a_debt() -> None:
    quotas = MutationQuotas(Window())
    quotas.limits.set(Entity("u"), 1)
    first = MutationQuota(quotas, "u", "c", strict=True)
    for _ in range(3):
        first.record(5, 1_000_000)
    assert first.throttle_ms(1_000_000) == 0
    second = MutationQuota(quotas, "u", "c", strict=True)
    with pytest.raises(KafkaError) as refused:
        second.record(1, 1_000_200)
    assert refused.value.code is ErrorCode.THROTTLING_QUOTA_EXCEEDED
    assert second.throttle_ms(1_000_200) == 3800
    assert second.throttle_ms(1_001_200) == 2800
    third = MutationQuota(quotas, "u", "c", strict=True)
    third.record(1, 1_004_000)


def test_mutations_of_old_versions_are_done_and_delayed() -> None:
    quotas = MutationQuotas(Window())
    quotas.limits.set(Entity("u"), 1)
    quota = MutationQuota(quotas, "u", "c", strict=False)
    quota.record(12, 1_000_000)
    assert quota.throttle_ms(1_000_000) == 1000
    quota.record(1, 1_000_000)
    assert quota.throttle_ms(1_000_000) == 2000


def test_odd_quotas() -> None:
    quotas = MutationQuotas(Window())
    for odd in (math.nan, math.inf, 0.0):
        quotas.limits.set(Entity("u"), odd)
        assert quotas.take("u", "c", 5, 0, strict=True) == 0
    assert quotas.take("u", "c", 5, 10, strict=True) == 2**31 - 1
    assert quotas.take("other", "c", 5, 10, strict=True) == 0


def test_nothing_is_in_force_until_somebody_has_a_quota() -> None:
    quotas = ClientQuotas(Window(), Window())
    assert not quotas.in_force
    quotas.update(Entity("u"), {"request_percentage": 1.0})
    assert quotas.in_force
    assert quotas.request.record("u", "c", 1e6, 0) == 1000
    quotas.update(Entity("u"), {})
    assert not quotas.in_force


def test_who_waited_as_long_as_told_is_charged_like_everybody() -> None:
    """The wait is rounded to milliseconds; what is left of the debt is too small to count."""
    quotas = MutationQuotas(Window())
    quotas.limits.set(Entity("u"), 0.3)
    assert quotas.take("u", "c", 10, 0, strict=True) == 0
    wait_ms = quotas.take("u", "c", 1, 1, strict=True)
    assert quotas.take("u", "c", 5, 1 + wait_ms, strict=True) == 0
    assert quotas.take("u", "c", 5, 1 + wait_ms, strict=True) > 10_000
