"""Authorizer: asks a plug-in who may do what. All that it raises or answers but ALLOWED denies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from barnabas.authorizer.acl import (
    OPERATIONS_OF,
    AclBinding,
    AclBindingFilter,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.decision import Asked, Decision, Reason
from barnabas.config.authorization import AUTHORIZER
from barnabas.errors import KafkaError
from barnabas.plugins.authorizers import (
    Action,
    AuthorizableRequestContext,
    AuthorizationResult,
    Authorizer,
)
from barnabas.plugins.loading import RAISED, Guard
from barnabas.security.principal import KafkaPrincipal

ALLOWED: Final = Decision(True, Reason.PLUG_IN)
DENIED: Final = Decision(False, Reason.PLUG_IN)
_NO_REQUEST: Final = -1


class PluggedAuthorizer:
    """``RequestAuthorizer``, for a plug-in."""

    def __init__(self, plugin: Authorizer, time_s: Callable[[], float]) -> None:
        """``time_s``: the loop's."""
        self._guard = Guard(AUTHORIZER, plugin)
        self._time_s = time_s

    @property
    def generation(self) -> int:
        """Another one each second: what a waiting fetch may read is asked again then, since nobody
        says when a plug-in changes its mind."""
        return int(self._time_s())

    def decide(self, asked: Asked) -> Decision:
        return ALLOWED if self._ask(asked, _NO_REQUEST, worth_a_line=False) else DENIED

    def allows(self, asked: Asked, api_key: int) -> bool:
        return self._ask(asked, api_key, worth_a_line=True)

    def operations(
        self, principal: KafkaPrincipal, host: str, resource_type: ResourceType, name: str
    ) -> int:
        return sum(
            1 << operation
            for operation in OPERATIONS_OF[resource_type]
            if self.decide((principal, host, operation, resource_type, name)).allowed
        )

    def _ask(self, asked: Asked, api_key: int, *, worth_a_line: bool) -> bool:
        principal, host, operation, resource_type, name = asked
        context = _context(principal, host, api_key)
        plugin = self._guard.plugin
        try:
            if name is None:
                results: object = (
                    plugin.authorize_by_resource_type(context, operation, resource_type),
                )
            else:
                pattern = ResourcePattern(resource_type, name)
                action = Action(operation, pattern, worth_a_line, worth_a_line)
                results = plugin.authorize(context, (action,))
            return _is_allowed(results)
        except RAISED as error:
            self._guard.failed(error)
            return False

    # Its ACLs

    def described(self, wanted: AclBindingFilter) -> list[AclBinding]:
        with self._guard.answered() as plugin:
            return _bindings(plugin.acls(wanted))

    def created(
        self, who: tuple[KafkaPrincipal, str], bindings: Sequence[AclBinding]
    ) -> list[KafkaError | None]:
        try:
            with self._guard.answered() as plugin:
                found = list(plugin.create_acls(_context(*who, _NO_REQUEST), tuple(bindings)))
                if len(found) != len(bindings):
                    raise TypeError("create_acls returned no result for each of the ACLs")
                wrong = [e for e in found if not isinstance(e, KafkaError | None)]
                if wrong:
                    raise TypeError(f"create_acls returned {wrong[0]!r}, which is no KafkaError")
                return found
        except KafkaError as error:
            return [error for _ in bindings]

    def deleted(
        self, who: tuple[KafkaPrincipal, str], filters: Sequence[AclBindingFilter]
    ) -> list[Mapping[AclBinding, KafkaError | None]]:
        with self._guard.answered() as plugin:
            found = list(plugin.delete_acls(_context(*who, _NO_REQUEST), tuple(filters)))
            if len(found) != len(filters):
                raise TypeError("delete_acls returned no result for each of the filters")
            return [dict.fromkeys(_bindings(each)) for each in found]


def _context(principal: KafkaPrincipal, host: str, api_key: int) -> AuthorizableRequestContext:
    return AuthorizableRequestContext(
        principal=principal, client_address=host, request_type=api_key
    )


def _is_allowed(results: object) -> bool:
    """Whether an answer says ALLOWED of the one action. Raises TypeError for one that is none."""
    if isinstance(results, tuple | list) and len(results) == 1:
        (result,) = results
        if isinstance(result, AuthorizationResult):
            return result is AuthorizationResult.ALLOWED
    raise TypeError(f"{results!r} is no sequence of one AuthorizationResult")


def _bindings(found: Iterable[AclBinding]) -> list[AclBinding]:
    """Raises TypeError, or what an iterator raises."""
    listed = list(found)
    for each in listed:
        if not isinstance(each, AclBinding):
            raise TypeError(f"{each!r} is no AclBinding")
    return listed
