"""Paths and bodies of ACLs as the original wrote them, and what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.authorizer.acl import (
    RESOURCE_TYPES,
    AccessControlEntry,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.znodes import (
    LITERAL_STORE,
    PREFIXED_STORE,
    STORES,
    decode_change,
    decode_entries,
    encode_change,
    encode_entries,
    start_paths,
    store_of,
)
from barnabas.names import is_path_name
from barnabas.zookeeper.errors import MalformedZNode

RECORDED = json.loads((GOLDEN / "security/acl-znodes.json").read_text())


@pytest.mark.parametrize(("path", "body"), RECORDED["bodies"])
def test_bodies_are_those_of_the_original(path: str, body: str) -> None:
    data = body.encode()
    for store in STORES:
        if path.startswith(store.change_prefix):
            pattern = decode_change(store, path, data)
            assert encode_change(pattern) == data
            assert store_of(pattern) is store
            return
    entries = decode_entries(path, data)
    assert entries
    assert encode_entries(entries) == data


def test_paths_are_those_of_the_original() -> None:
    for pattern, path in (
        (ResourcePattern(ResourceType.TOPIC, "*"), "/kafka-acl/Topic/*"),
        (ResourcePattern(ResourceType.USER, "User:owner"), "/kafka-acl/User/User:owner"),
        (ResourcePattern(ResourceType.GROUP, "ü%2F"), "/kafka-acl/Group/ü%2F"),
        (
            ResourcePattern(ResourceType.TRANSACTIONAL_ID, "tx", PatternType.PREFIXED),
            "/kafka-acl-extended/prefixed/TransactionalId/tx",
        ),
    ):
        assert store_of(pattern).resource_path(pattern) == path
        assert path in [p for p, _ in RECORDED["bodies"]]


def test_the_nodes_made_at_a_start_come_in_the_originals_order() -> None:
    parents = {"/kafka-acl", "/kafka-acl-extended", "/kafka-acl-extended/prefixed"}
    assert start_paths() == [path for path in RECORDED["at_start"] if path not in parents]


ENTRIES = st.builds(
    AccessControlEntry,
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from([o for o in AclOperation if o >= AclOperation.ALL]),
    st.sampled_from([AclPermissionType.ALLOW, AclPermissionType.DENY]),
)


@given(st.lists(ENTRIES, max_size=5))
def test_entries_come_back(entries: list[AccessControlEntry]) -> None:
    assert decode_entries("/p", encode_entries(entries)) == tuple(entries)


@given(
    st.sampled_from(RESOURCE_TYPES),
    st.text().filter(is_path_name),
    st.sampled_from([PatternType.LITERAL, PatternType.PREFIXED]),
)
def test_changes_come_back(kind: ResourceType, name: str, how: PatternType) -> None:
    pattern = ResourcePattern(kind, name, how)
    assert decode_change(store_of(pattern), "/p", encode_change(pattern)) == pattern


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"nonsense",
        b'{"version":2,"acls":[]}',
        b'{"version":1,"acls":{}}',
        b'{"version":1,"acls":[{"principal":"User:a","permissionType":"Allow","host":"*"}]}',
        b'{"version":1,"acls":[{"principal":"User:a","permissionType":"Allow","host":"*",'
        b'"operation":"Fly"}]}',
        b'{"version":1,"acls":[{"principal":"User:a","permissionType":"Any","host":"*",'
        b'"operation":"Read"}]}',
        b"\xff",
    ],
)
def test_what_is_no_list_of_entries_is_told_from_an_empty_one(body: bytes) -> None:
    with pytest.raises(MalformedZNode, match="/p"):
        decode_entries("/p", body)
    assert decode_entries("/p", b"") == ()


@pytest.mark.parametrize(
    "body", [b"", b"TOPIC", b"FLY:a", b"ANY:a", b"TOPIC:", b"TOPIC:a/b", b"TOPIC:..", b"\xff:a"]
)
def test_what_is_no_change_of_a_literal_pattern(body: bytes) -> None:
    with pytest.raises(MalformedZNode):
        decode_change(LITERAL_STORE, "/p", body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"TOPIC:a",
        b'{"version":1,"resourceType":"TOPIC","name":"a","patternType":"LITERAL"}',
        b'{"version":2,"resourceType":"TOPIC","name":"a","patternType":"PREFIXED"}',
        b'{"version":1,"resourceType":"TOPIC","name":"a/../b","patternType":"PREFIXED"}',
    ],
)
def test_what_is_no_change_of_a_prefixed_pattern(body: bytes) -> None:
    with pytest.raises(MalformedZNode):
        decode_change(PREFIXED_STORE, "/p", body)
