"""Whom quotas are for."""

from __future__ import annotations

import math

import pytest

from barnabas.errors import ErrorCode, KafkaError
from barnabas.quotas.entities import (
    ANY,
    DEFAULT,
    EXACT,
    FOR_DEFAULT,
    Component,
    Entity,
    Filter,
    checked_value,
    entity_of,
    filter_of,
)
from barnabas.zk.quotas import entity_at, path_of, quotas_of, text_of

EVERYBODY = [
    Entity("u"),
    Entity(DEFAULT),
    Entity("u", "c"),
    Entity("u", DEFAULT),
    Entity(client_id="c"),
    Entity(client_id=DEFAULT),
    Entity(ip="127.0.0.1"),
    Entity(ip=DEFAULT),
]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), EVERYBODY),
        (Filter(strict=True), []),
        (Filter(Component(EXACT, "u")), [EVERYBODY[0], *EVERYBODY[2:4]]),
        (Filter(Component(EXACT, "u"), strict=True), [EVERYBODY[0]]),
        (Filter(Component(FOR_DEFAULT)), [EVERYBODY[1]]),
        (Filter(Component(ANY)), EVERYBODY[:4]),
        (Filter(Component(ANY), Component(FOR_DEFAULT)), [EVERYBODY[3]]),
        (Filter(None, Component(ANY)), EVERYBODY[2:6]),
        (Filter(None, Component(ANY), strict=True), EVERYBODY[4:6]),
        (Filter(ip=Component(ANY)), EVERYBODY[6:]),
        (Filter(ip=Component(EXACT, "127.0.0.1"), strict=True), [EVERYBODY[6]]),
    ],
)
def test_filters(wanted: Filter, found: list[Entity]) -> None:
    assert [entity for entity in EVERYBODY if wanted.matches(entity)] == found


@pytest.mark.parametrize("entity", [*EVERYBODY, Entity("ü ,=*+/:", "<default>"), Entity("a/b")])
def test_places_lead_back_to_entities(entity: Entity) -> None:
    assert entity_at(path_of(entity)) == entity
    assert entity_of(entity.parts()) == entity


def test_places_of_nobody() -> None:
    for place in ("users", "users/u/clients", "topics/t", "users/u/others/c", "ips/a/b"):
        assert entity_at(place) is None


def test_names_are_spelled_as_the_original_spells_them() -> None:
    assert path_of(Entity("ü ,=*+/:", "c/ *+é")) == (
        "users/%C3%BC%20%2C%3D%2A%2B%2F%3A/clients/c%2F%20%2A%2B%C3%A9"
    )
    assert path_of(Entity("<default>")) == "users/%3Cdefault%3E"
    assert path_of(Entity(DEFAULT, DEFAULT)) == "users/<default>/clients/<default>"


@pytest.mark.parametrize("value", [-1.0, 1.5, 1e30, -math.inf, math.inf])
def test_bytes_are_whole_and_not_negative(value: float) -> None:
    with pytest.raises(KafkaError) as refused:
        checked_value(Entity("u"), "producer_byte_rate", value)
    assert refused.value.code is ErrorCode.INVALID_REQUEST
    assert refused.value.message == "Configuration producer_byte_rate must be a LONG value"


def test_values_are_stored_as_the_original_spells_them() -> None:
    for key, value, text in [
        ("producer_byte_rate", 1e9, "1000000000"),
        ("producer_byte_rate", 0.0, "0"),
        ("producer_byte_rate", math.nan, "0"),
        ("request_percentage", 50.0, "50.0"),
        ("request_percentage", 1e9, "1.0E9"),
        ("controller_mutation_rate", 0.25, "0.25"),
    ]:
        assert text_of(key, checked_value(Entity("u"), key, value)) == text
    assert text_of("connection_creation_rate", 7) == "7"


def test_what_cannot_be_read_is_no_quota() -> None:
    config = {"producer_byte_rate": "many", "request_percentage": "50.0", "SCRAM-SHA-256": "x"}
    assert quotas_of(Entity("u"), config) == {"request_percentage": 50.0}


def test_filters_of_two_kinds() -> None:
    with pytest.raises(KafkaError, match="IP filter component should not be used"):
        filter_of([("ip", ANY, None), ("user", ANY, None)], strict=False)
