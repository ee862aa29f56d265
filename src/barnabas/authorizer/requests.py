"""AclAuthorizer.createAcls, deleteAcls: carries out a list of ACLs to create, or of filters to
delete by. Flows.

Each ACL and each filter has its own result. Up to ``AT_ONCE_MAX`` patterns are written at once: one
by one, ten thousand patterns would take a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from barnabas.authorizer.acl import (
    CLUSTER_NAME,
    AccessControlEntry,
    AclBinding,
    AclBindingFilter,
    PatternType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.authorizer import AclAuthorizer, Entries
from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import is_path_name
from barnabas.security.principal import KafkaPrincipal

Update: TypeAlias = Callable[
    [ResourcePattern, Callable[[Entries], Entries | None]], Awaitable[tuple[Entries, Entries]]
]
"""``AclAuthorizer.update``, with its errors turned into KafkaError by the caller."""
AT_ONCE_MAX: Final = 64
"""How many patterns are written at the same time."""
_STORED = (PatternType.LITERAL, PatternType.PREFIXED)


def problem(binding: AclBinding) -> KafkaError | None:
    """The error of an invalid ACL; None if it is valid. Operation and host are not checked."""
    pattern, entry = binding
    if pattern.resource_type is ResourceType.CLUSTER and pattern.name != CLUSTER_NAME:
        text = f"The only valid name for the CLUSTER resource is {CLUSTER_NAME}"
        return KafkaError(ErrorCode.INVALID_REQUEST, text)
    if not pattern.name:
        return KafkaError(ErrorCode.INVALID_REQUEST, "Invalid empty resource name")
    if 0 in (*pattern, *entry) or "/" in pattern.name:
        return KafkaError(ErrorCode.INVALID_REQUEST, "Failed to create ACL")
    return None


async def create(update: Update, bindings: Sequence[AclBinding]) -> list[KafkaError | None]:
    """Write ACLs, all of one pattern together. Returns for each its error, or None."""
    errors = [problem(binding) for binding in bindings]
    by_pattern: dict[ResourcePattern, list[int]] = {}
    for index, binding in enumerate(bindings):
        if errors[index] is None:
            by_pattern.setdefault(binding.pattern, []).append(index)

    async def add(pattern: ResourcePattern, indices: list[int]) -> None:
        try:
            await _add(update, pattern, [bindings[index].entry for index in indices])
        except KafkaError as error:
            for index in indices:
                errors[index] = error

    await _side_by_side([partial(add, *each) for each in by_pattern.items()])
    return errors


async def _side_by_side(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run all of them, a limited number at a time. Raises the first exception after all ended."""
    for start in range(0, len(works), AT_ONCE_MAX):
        running = (work() for work in works[start : start + AT_ONCE_MAX])
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


async def _add(
    update: Update, pattern: ResourcePattern, entries: Sequence[AccessControlEntry]
) -> None:
    if not is_path_name(pattern.name):
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
    for entry in entries:
        try:
            KafkaPrincipal.parse(entry.principal)
        except ValueError:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) from None
    await update(pattern, lambda found: (*found, *entries))


async def delete(
    update: Update, authorizer: AclAuthorizer, filters: Sequence[AclBindingFilter]
) -> list[Mapping[AclBinding, KafkaError | None]]:
    """Delete the ACLs that match. Returns for each filter the ACLs that no earlier filter found,
    each with its error if it was not deleted."""
    deleted: list[dict[AclBinding, KafkaError | None]] = [{} for _ in filters]
    patterns = dict.fromkeys(authorizer.index.patterns())
    patterns.update(dict.fromkeys(filter(None, map(_named, filters))))
    outcomes: dict[ResourcePattern, _Deletion] = {}
    for pattern in patterns:
        matching = [i for i, f in enumerate(filters) if f.matches_pattern(pattern)]
        if matching:
            outcomes[pattern] = _Deletion(pattern, [(i, filters[i]) for i in matching])
    await _side_by_side([partial(each.carry_out, update) for each in outcomes.values()])
    for pattern, each in outcomes.items():
        for entry, index in each.chosen.items():
            deleted[index][AclBinding(pattern, entry)] = each.refused
    return list(deleted)


class _Deletion:
    """The deletion of one pattern's entries by the filters that match the pattern."""

    def __init__(
        self, pattern: ResourcePattern, filters: Sequence[tuple[int, AclBindingFilter]]
    ) -> None:
        self._pattern = pattern
        self._filters = filters
        self.chosen: dict[AccessControlEntry, int] = {}
        """The index of the first filter that found each entry."""
        self.refused: KafkaError | None = None

    async def carry_out(self, update: Update) -> None:
        try:
            await update(self._pattern, self._remaining)
        except KafkaError as error:
            self.refused = error

    def _remaining(self, found: Entries) -> Entries | None:
        for entry in found:
            for index, wanted in self._filters:
                if wanted.matches_entry(entry):
                    self.chosen.setdefault(entry, index)
                    break
        rest = tuple(entry for entry in found if entry not in self.chosen)
        return None if len(rest) == len(found) else rest


def _named(wanted: AclBindingFilter) -> ResourcePattern | None:
    """The only pattern that a filter can match, if there is only one. It is read in any case, since
    another broker may have written it just now."""
    if wanted.name is None or wanted.resource_type <= ResourceType.ANY:
        return None
    if wanted.pattern_type not in _STORED or not is_path_name(wanted.name):
        return None
    return ResourcePattern(wanted.resource_type, wanted.name, wanted.pattern_type)
