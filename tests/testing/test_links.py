"""Who hears whom."""

from __future__ import annotations

import json

from barnabas.testing.links import CLIENTS, LOST, Directory, Links, address_of, broker_of


def test_what_is_not_named_is_heard_at_once() -> None:
    links = Links()
    links.set("broker:1", "broker:2", LOST)
    links.set("broker:3", "coordinator", 0.2)
    assert links.delay("broker:1", "broker:2") == LOST
    assert links.delay("broker:2", "broker:1") == 0
    assert links.is_cut_off("broker:2", "broker:1")
    assert not links.is_cut_off("broker:3", "coordinator")


def test_healing_a_node_leaves_the_others_as_they_are() -> None:
    links = Links()
    links.set("broker:1", "broker:2", LOST)
    links.set("broker:3", "coordinator", LOST)
    links.heal(["broker:2"])
    assert links.delay("broker:1", "broker:2") == 0
    assert links.delay("broker:3", "coordinator") == LOST
    links.heal()
    assert links.delay("broker:3", "coordinator") == 0


def test_another_process_is_told_the_same() -> None:
    links, other = Links(), Links()
    links.set("broker:1", "clients", LOST)
    links.set("clients", "broker:1", 0.25)
    other.take_rows(json.loads(json.dumps(links.as_rows())))
    assert other.delay("broker:1", "clients") == LOST
    assert other.delay("clients", "broker:1") == 0.25


def test_members_are_known_by_the_ports_they_listen_on_and_the_addresses_they_call_from() -> None:
    members = Directory({9092: "broker:1", 2181: "coordinator"})
    assert members.at_port(2181) == "coordinator"
    assert members.at_port(80) == CLIENTS
    for name in ("broker:1", "broker:300"):
        address = address_of(name)
        assert address is not None
        assert members.at_address(address) == name
    assert members.at_address("127.0.0.1") == CLIENTS
    assert address_of("coordinator") is None
    assert broker_of("coordinator") is None
