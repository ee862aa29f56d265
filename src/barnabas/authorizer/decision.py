"""AclAuthorizer.authorize: decides who may do what, from an index of all ACLs. Pure.

The rule, in this order:

1. A super user may do everything.
2. The ACLs of a resource are those of its name, of the literal ``*``, and of every prefix of its
   name. If there are none, ``allow.everyone.if.no.acl.found`` decides.
3. If a DENY matches, it is denied. A DENY must win over any ALLOW, so that one entry is enough to
   lock somebody out.
4. If an ALLOW matches, it is allowed; otherwise it is denied.

An ACL matches if its principal, its host and its operation match.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from barnabas.authorizer.acl import (
    ANYBODY,
    IMPLIED_BY,
    WILDCARD,
    AccessControlEntry,
    AclBinding,
    AclOperation,
    AclPermissionType,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.security.principal import KafkaPrincipal

ALLOW, DENY = AclPermissionType.ALLOW, AclPermissionType.DENY
LITERAL, PREFIXED = PatternType.LITERAL, PatternType.PREFIXED

_FITTING: Final = {
    (operation, permission): frozenset(
        {operation, AclOperation.ALL}
        | (set(IMPLIED_BY.get(operation, ())) if permission is ALLOW else set())
    )
    for operation in AclOperation
    for permission in (ALLOW, DENY)
}
"""For (operation, permission): the operations of the entries that match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The authorizer's settings."""

    super_users: frozenset[KafkaPrincipal] = frozenset()
    allow_if_no_acl: bool = False
    """``allow.everyone.if.no.acl.found``."""


class Question(NamedTuple):
    """Whether a principal may do something. ``name`` None: with any resource of the type."""

    principal: KafkaPrincipal
    host: str
    operation: AclOperation
    resource_type: ResourceType
    name: str | None


Asked: TypeAlias = tuple[KafkaPrincipal, str, AclOperation, ResourceType, str | None]
"""A ``Question``, or a plain tuple of its fields: it is equal, and ten times faster to make."""


class Reason(Enum):
    """Why something is allowed or denied."""

    SUPER_USER = "a super user may do everything"
    ALLOWED_BY = "an ACL allows it"
    DENIED_BY = "an ACL denies it"
    NO_ACL_AT_ALL = "no ACL is about the resource"
    NO_ACL_FITS = "no ACL allows it"
    PLUG_IN = "a plug-in says so"


class Decision(NamedTuple):
    """The answer to a question, and the reason for it."""

    allowed: bool
    reason: Reason
    binding: AclBinding | None = None
    """The ACL that allows or denies, if one does."""


class _Entries:
    """The entries of one pattern, indexed by principal."""

    __slots__ = ("by_principal", "in_order")

    def __init__(self, entries: Iterable[AccessControlEntry]) -> None:
        self.in_order = tuple(dict.fromkeys(entries))
        by_principal: dict[str, list[AccessControlEntry]] = {}
        for entry in self.in_order:
            by_principal.setdefault(entry.principal, []).append(entry)
        self.by_principal = by_principal

    def fitting(
        self, question: Question, who: str, permission: AclPermissionType
    ) -> Iterator[AccessControlEntry]:
        """The matching entries with this permission."""
        operations = _FITTING[question.operation, permission]
        for principal in (who, ANYBODY):
            for entry in self.by_principal.get(principal, ()):
                if (
                    entry.permission is permission
                    and entry.operation in operations
                    and entry.host in (WILDCARD, question.host)
                ):
                    yield entry


@dataclass(slots=True)
class _OfType:
    """The patterns of one type of resource."""

    literal: dict[str, _Entries] = field(default_factory=dict)
    prefixed: dict[str, _Entries] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)
    """Length of a prefix -> how many prefixes have it."""


class AclIndex:
    """All ACLs, indexed by resource. A question looks at one name, at ``*``, and at one prefix of
    each length in use, so its cost does not depend on the number of ACLs."""

    def __init__(self) -> None:
        self._types = {resource_type: _OfType() for resource_type in ResourceType}

    def put(self, pattern: ResourcePattern, entries: Iterable[AccessControlEntry]) -> None:
        """Replace the entries of a pattern; without entries the pattern is removed."""
        of_type = self._types[pattern.resource_type]
        is_prefix = pattern.pattern_type is PREFIXED
        found = of_type.prefixed if is_prefix else of_type.literal
        had, has = pattern.name in found, _Entries(entries)
        if has.in_order:
            found[pattern.name] = has
        else:
            found.pop(pattern.name, None)
        if is_prefix and had != bool(has.in_order):
            length = len(pattern.name)
            count = of_type.lengths.get(length, 0) + (-1 if had else 1)
            if count:
                of_type.lengths[length] = count
            else:
                del of_type.lengths[length]

    def get(self, pattern: ResourcePattern) -> tuple[AccessControlEntry, ...]:
        """The entries of a pattern, in their order."""
        of_type = self._types[pattern.resource_type]
        found = of_type.prefixed if pattern.pattern_type is PREFIXED else of_type.literal
        entries = found.get(pattern.name)
        return () if entries is None else entries.in_order

    def patterns(self) -> Iterator[ResourcePattern]:
        """All patterns that have entries."""
        for resource_type, of_type in self._types.items():
            for name in of_type.literal:
                yield ResourcePattern(resource_type, name, LITERAL)
            for name in of_type.prefixed:
                yield ResourcePattern(resource_type, name, PREFIXED)

    def bindings(self) -> Iterator[AclBinding]:
        """All ACLs."""
        for pattern in self.patterns():
            for entry in self.get(pattern):
                yield AclBinding(pattern, entry)

    def _about(
        self, resource_type: ResourceType, name: str
    ) -> list[tuple[str, PatternType, _Entries]]:
        """The patterns that cover one resource, with their entries."""
        of_type = self._types[resource_type]
        about = []
        for literal in dict.fromkeys((name, WILDCARD)):
            entries = of_type.literal.get(literal)
            if entries is not None:
                about.append((literal, LITERAL, entries))
        for length in of_type.lengths:
            if length <= len(name):
                entries = of_type.prefixed.get(name[:length])
                if entries is not None:
                    about.append((name[:length], PREFIXED, entries))
        return about

    def decide(self, policy: Policy, question: Question) -> Decision:
        """Whether it is allowed, and why."""
        if question.principal in policy.super_users:
            return Decision(True, Reason.SUPER_USER)
        if question.name is None:
            return self._decide_by_type(policy, question)
        about = self._about(question.resource_type, question.name)
        if not about:
            return Decision(policy.allow_if_no_acl, Reason.NO_ACL_AT_ALL)
        who = str(question.principal)
        for permission, reason in ((DENY, Reason.DENIED_BY), (ALLOW, Reason.ALLOWED_BY)):
            for name, pattern_type, entries in about:
                for entry in entries.fitting(question, who, permission):
                    pattern = ResourcePattern(question.resource_type, name, pattern_type)
                    return Decision(permission is ALLOW, reason, AclBinding(pattern, entry))
        return Decision(False, Reason.NO_ACL_FITS)

    def _decide_by_type(self, policy: Policy, question: Question) -> Decision:
        """``authorizeByResourceType``: whether it is allowed with any resource of a type (KIP-679).

        The resource need not exist. A DENY for ``*`` denies all; otherwise some pattern must be
        allowed that no DENY covers. Here only ALL implies another operation."""
        of_type, kind = self._types[question.resource_type], question.resource_type
        literal_denials = dict(_exact(of_type.literal, question, DENY))
        if WILDCARD in literal_denials:
            pattern = ResourcePattern(kind, WILDCARD, LITERAL)
            binding = AclBinding(pattern, literal_denials[WILDCARD])
            return Decision(False, Reason.DENIED_BY, binding)
        if policy.allow_if_no_acl:
            return Decision(True, Reason.NO_ACL_AT_ALL)
        prefix_denials = {name for name, _ in _exact(of_type.prefixed, question, DENY)}
        lengths = sorted({len(name) for name in prefix_denials})

        def is_covered(name: str) -> bool:
            return any(name[:length] in prefix_denials for length in lengths if length <= len(name))

        for name, entry in _exact(of_type.literal, question, ALLOW):
            if name == WILDCARD or (name not in literal_denials and not is_covered(name)):
                binding = AclBinding(ResourcePattern(kind, name, LITERAL), entry)
                return Decision(True, Reason.ALLOWED_BY, binding)
        for name, entry in _exact(of_type.prefixed, question, ALLOW):
            if not is_covered(name):
                binding = AclBinding(ResourcePattern(kind, name, PREFIXED), entry)
                return Decision(True, Reason.ALLOWED_BY, binding)
        return Decision(False, Reason.NO_ACL_FITS)


def _exact(
    found: Mapping[str, _Entries], question: Question, permission: AclPermissionType
) -> Iterator[tuple[str, AccessControlEntry]]:
    """(name of a pattern, an entry of it) for each entry that names the operation, or ALL."""
    who = str(question.principal)
    operations = (question.operation, AclOperation.ALL)
    for name, entries in found.items():
        for entry in entries.fitting(question, who, permission):
            if entry.operation in operations:
                yield name, entry
                break
