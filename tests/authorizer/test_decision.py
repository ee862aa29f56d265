"""Who may do what: the original's decisions, and a slow and plain copy of the rule at random."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.authorizer.acl import (
    IMPLIED_BY,
    AccessControlEntry,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.decision import AclIndex, Policy, Question, Reason
from barnabas.security.principal import KafkaPrincipal

BOB = KafkaPrincipal("User", "bob")
RECORDED = json.loads((GOLDEN / "security/decisions.json").read_text())
ALLOW, DENY = AclPermissionType.ALLOW, AclPermissionType.DENY
LITERAL, PREFIXED = PatternType.LITERAL, PatternType.PREFIXED


def index_of(acls: list[list[str]]) -> AclIndex:
    """ACLs as [type, name, pattern, principal, host, operation, permission]."""
    index = AclIndex()
    for kind, name, pattern_type, principal, host, operation, permission in acls:
        pattern = ResourcePattern(ResourceType[kind], name, PatternType[pattern_type])
        entry = AccessControlEntry(
            principal, host, AclOperation[operation], AclPermissionType[permission]
        )
        index.put(pattern, (*index.get(pattern), entry))
    return index


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row["case"])
def test_the_decisions_of_the_original(row: dict[str, Any]) -> None:
    policy = Policy(allow_if_no_acl=row["allow_if_no_acl"])
    index = index_of(row["acls"])
    for kind, name, operation, may in row["asked"]:
        question = Question(BOB, "127.0.0.1", AclOperation[operation], ResourceType[kind], name)
        assert index.decide(policy, question).allowed == may, question


NAMES = st.sampled_from(["a", "ab", "abc", "b", "*", "aé"])
PRINCIPALS = st.sampled_from(["User:bob", "User:*", "User:eve", "*:*", "user:bob"])
HOSTS = st.sampled_from(["*", "10.0.0.1", "10.0.0.2", "localhost"])
OPERATIONS = st.sampled_from([o for o in AclOperation if o >= AclOperation.ALL])
ENTRIES = st.builds(
    AccessControlEntry, PRINCIPALS, HOSTS, OPERATIONS, st.sampled_from([ALLOW, DENY])
)
PATTERNS = st.builds(
    ResourcePattern,
    st.sampled_from([ResourceType.TOPIC, ResourceType.GROUP]),
    NAMES,
    st.sampled_from([LITERAL, PREFIXED]),
)


def plainly(
    acls: list[tuple[ResourcePattern, AccessControlEntry]], question: Question, policy: Policy
) -> bool:
    """The rule, with a look at every ACL."""
    name = question.name
    assert name is not None
    if question.principal in policy.super_users:
        return True
    about = [
        entry
        for (kind, pattern, how), entry in acls
        if kind is question.resource_type
        and (pattern in (name, "*") if how is LITERAL else name.startswith(pattern))
    ]
    if not about:
        return policy.allow_if_no_acl

    def fits(entry: AccessControlEntry) -> bool:
        implied = IMPLIED_BY.get(question.operation, ()) if entry.permission is ALLOW else ()
        return (
            entry.principal in (str(question.principal), "User:*")
            and entry.host in (question.host, "*")
            and entry.operation in (question.operation, AclOperation.ALL, *implied)
        )

    fitting = [entry.permission for entry in about if fits(entry)]
    return DENY not in fitting and ALLOW in fitting


@given(
    st.lists(st.tuples(PATTERNS, ENTRIES), max_size=12),
    NAMES,
    OPERATIONS.filter(lambda o: o is not AclOperation.ALL),
    st.booleans(),
    st.booleans(),
)
def test_an_index_decides_as_a_look_at_every_acl_does(
    acls: list[tuple[ResourcePattern, AccessControlEntry]],
    name: str,
    operation: AclOperation,
    is_super: bool,
    allow_if_no_acl: bool,
) -> None:
    index = AclIndex()
    for pattern, entry in acls:
        index.put(pattern, (*index.get(pattern), entry))
    policy = Policy(
        super_users=frozenset({BOB} if is_super else ()), allow_if_no_acl=allow_if_no_acl
    )
    question = Question(BOB, "10.0.0.1", operation, ResourceType.TOPIC, name)
    decision = index.decide(policy, question)
    assert decision.allowed == plainly(acls, question, policy)
    if decision.reason in (Reason.ALLOWED_BY, Reason.DENIED_BY):
        assert decision.binding in list(index.bindings())
        assert decision.binding is not None
        assert decision.binding.entry.permission is (ALLOW if decision.allowed else DENY)
    else:
        assert decision.binding is None


@given(st.lists(st.tuples(PATTERNS, st.lists(ENTRIES, max_size=3)), max_size=12))
def test_what_was_put_last_is_there(
    puts: list[tuple[ResourcePattern, list[AccessControlEntry]]],
) -> None:
    index, last = AclIndex(), {}
    for pattern, entries in puts:
        index.put(pattern, entries)
        last[pattern] = tuple(dict.fromkeys(entries))
    assert {p: index.get(p) for p in index.patterns()} == {p: e for p, e in last.items() if e}
    fresh = AclIndex()
    for pattern, final in last.items():
        fresh.put(pattern, final)
    for name in ("a", "abc", "b", "zzz"):
        for operation in (AclOperation.READ, AclOperation.DESCRIBE):
            question = Question(BOB, "10.0.0.1", operation, ResourceType.TOPIC, name)
            again = fresh.decide(Policy(), question)
            assert index.decide(Policy(), question).allowed == again.allowed


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        (AclBindingFilter(), ["*", "ab", "ab ..."]),
        (AclBindingFilter(name="abc", pattern_type=PatternType.MATCH), ["*", "ab ..."]),
        (AclBindingFilter(name="ab", pattern_type=PatternType.MATCH), ["*", "ab", "ab ..."]),
        (AclBindingFilter(name="ab", pattern_type=PatternType.ANY), ["ab", "ab ..."]),
        (AclBindingFilter(name="ab", pattern_type=LITERAL), ["ab"]),
        (AclBindingFilter(name="ab", pattern_type=PREFIXED), ["ab ..."]),
        (AclBindingFilter(name="*", pattern_type=LITERAL), ["*"]),
        (AclBindingFilter(name="zoo", pattern_type=PatternType.MATCH), ["*"]),
        (AclBindingFilter(name="", pattern_type=LITERAL), []),
        (AclBindingFilter(ResourceType.GROUP), []),
    ],
)
def test_filters_find_patterns(filter_: AclBindingFilter, found: list[str]) -> None:
    patterns = {
        "*": ResourcePattern(ResourceType.TOPIC, "*", LITERAL),
        "ab": ResourcePattern(ResourceType.TOPIC, "ab", LITERAL),
        "ab ...": ResourcePattern(ResourceType.TOPIC, "ab", PREFIXED),
    }
    assert [n for n, p in patterns.items() if filter_.matches_pattern(p)] == found


def test_a_filter_finds_all_only_where_all_was_stored() -> None:
    read = AccessControlEntry("User:a", "*", AclOperation.READ, ALLOW)
    everything = read._replace(operation=AclOperation.ALL)
    wanted = AclBindingFilter(operation=AclOperation.ALL)
    assert not wanted.matches_entry(read)
    assert wanted.matches_entry(everything)
    assert AclBindingFilter(principal="User:a", host="*").matches_entry(read)
    assert not AclBindingFilter(permission=DENY).matches_entry(read)
