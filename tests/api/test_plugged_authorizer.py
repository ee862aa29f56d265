"""A plug-in as authorizer: what it is asked, and that whatever goes wrong denies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

import pytest
from tests.api import kit
from tests.authorizer.test_fetch_sessions import errors, fetch, size, wanted

from barnabas.broker.plugged_authorizer import PluggedAuthorizer
from barnabas.errors import ConfigError, ErrorCode, KafkaError
from barnabas.plugins import (
    AccessControlEntry,
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    Action,
    AuthorizableRequestContext,
    AuthorizationResult,
    Authorizer,
    AuthorizerServerInfo,
    KafkaPrincipal,
    ResourcePattern,
    ResourceType,
)
from barnabas.plugins.loading import start
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

ALLOWED, DENIED = AuthorizationResult.ALLOWED, AuthorizationResult.DENIED
ALICE = KafkaPrincipal("User", "alice")
WRITE = (ALICE, "10.0.0.1", AclOperation.WRITE, ResourceType.TOPIC, "t")
SETTINGS = {
    "authorizer.class.name": "house.Rules",
    "super.users": "User:admin",
    "house.rules": "strict",
}
FOO = ResourcePattern(ResourceType.TOPIC, "foo")
READ = AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)


class Rules(Authorizer):
    """Denies topics by their names, and whoever wants to create them on the whole cluster."""

    closed: ClassVar[set[str]] = set()
    unreadable: ClassVar[list[str]] = []
    asked: ClassVar[list[tuple[AuthorizableRequestContext, Action]]] = []
    told: ClassVar[list[object]] = []
    kept: ClassVar[list[AclBinding]] = []

    def configure(self, settings: Mapping[str, str]) -> None:
        self.told.append(dict(settings))

    def start(self, server_info: AuthorizerServerInfo) -> None:
        self.told.append(server_info)

    def authorize(
        self, context: AuthorizableRequestContext, actions: Sequence[Action]
    ) -> Sequence[AuthorizationResult]:
        (action,) = actions
        self.asked.append((context, action))
        operation, resource = action.operation, action.resource_pattern
        if resource.name == "broken":
            raise RuntimeError("a bug")
        if resource.name == "odd":
            return cast("Sequence[AuthorizationResult]", [True])
        if (resource.resource_type, operation) == (ResourceType.CLUSTER, AclOperation.CREATE):
            return [DENIED]
        if operation is AclOperation.READ and resource.name in self.unreadable:
            return [DENIED]
        return [DENIED if resource.name in self.closed else ALLOWED]


class Keeper(Rules):
    """Keeps ACLs too."""

    def acls(self, filter: AclBindingFilter) -> Iterable[AclBinding]:  # noqa: A002
        return (each for each in self.kept if filter.matches_pattern(each.pattern))

    def create_acls(
        self, context: AuthorizableRequestContext, bindings: Sequence[AclBinding]
    ) -> Sequence[KafkaError | None]:
        self.kept.extend(bindings)
        return [None for _ in bindings]

    def delete_acls(
        self, context: AuthorizableRequestContext, filters: Sequence[AclBindingFilter]
    ) -> Sequence[Sequence[AclBinding]]:
        gone = list(self.kept)
        self.kept.clear()
        return [gone for _ in filters]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    for memory in (Rules.closed, Rules.unreadable, Rules.asked, Rules.told, Rules.kept):
        memory.clear()


def _run(scenario: Callable[[kit.Client], Any], cls: type = Rules) -> None:
    kit.run(scenario, settings=SETTINGS, classes={"house.Rules": cls})


def test_it_decides_what_clients_may_do() -> None:
    async def scenario(client: kit.Client) -> None:
        Rules.closed.add("secret")
        denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
        assert (await client.create("fine")).error_code == 0
        for name in ("secret", "broken", "odd"):
            assert (await client.create(name)).error_code == denied
        assert (await client.produce("fine", b"x")).error_code == 0
        Rules.closed.add("fine")
        assert (await client.produce("fine", b"x")).error_code == denied
        context, action = Rules.asked[-1]
        assert (context.principal, context.request_type) == (KafkaPrincipal("User", "ANONYMOUS"), 0)
        assert action == (
            AclOperation.WRITE,
            ResourcePattern(ResourceType.TOPIC, "fine"),
            True,
            True,
        )
        settings, server = Rules.told
        assert cast("dict[str, str]", settings).items() >= SETTINGS.items()
        assert cast("AuthorizerServerInfo", server).broker_id == 1
        assert cast("AuthorizerServerInfo", server).inter_broker_endpoint.port == 9092

    _run(scenario)


def _acls(name: str) -> Message:
    return Message(
        resource_type_filter=2,
        resource_name_filter=name,
        pattern_type_filter=3,
        principal_filter=None,
        host_filter=None,
        operation=1,
        permission_type=1,
    )


def _creation(name: str) -> Message:
    return Message(
        resource_type=2,
        resource_name=name,
        resource_pattern_type=3,
        principal="User:alice",
        host="*",
        operation=3,
        permission_type=3,
    )


async def _of_acls(client: kit.Client) -> tuple[Any, Any, Any]:
    created = await client.ask(
        ApiKey.CREATE_ACLS, 2, Message(creations=[_creation("foo"), _creation("")])
    )
    found = await client.ask(ApiKey.DESCRIBE_ACLS, 2, _acls("foo"))
    deleted = await client.ask(ApiKey.DELETE_ACLS, 2, Message(filters=[_acls("foo")]))
    return created.results, found, deleted.filter_results


def test_an_authorizer_without_acls() -> None:
    async def scenario(client: kit.Client) -> None:
        created, found, deleted = await _of_acls(client)
        no_acls = (ErrorCode.INVALID_REQUEST, "This authorizer keeps no ACLs")
        assert (created[0].error_code, created[0].error_message) == no_acls
        assert (found.error_code, list(found.resources)) == (0, [])
        assert (deleted[0].error_code, deleted[0].error_message) == no_acls

    _run(scenario)


def test_an_authorizer_with_acls() -> None:
    async def scenario(client: kit.Client) -> None:
        created, found, deleted = await _of_acls(client)
        assert [each.error_code for each in created] == [0, ErrorCode.INVALID_REQUEST]
        assert [(r.resource_name, len(r.acls)) for r in found.resources] == [("foo", 1)]
        assert [m.resource_name for m in deleted[0].matching_acls] == ["foo"]
        assert Rules.kept == []

    _run(scenario, Keeper)


def _answering(answer: Callable[[], object]) -> PluggedAuthorizer:
    class Odd(Authorizer):
        def authorize(self, context: Any, actions: Any) -> Any:
            return answer()

        def acls(self, filter: Any) -> Any:  # noqa: A002
            return answer()

        def create_acls(self, context: Any, bindings: Any) -> Any:
            return answer()

    return PluggedAuthorizer(Odd(), lambda: 0.0)


def _raising(error: BaseException) -> Callable[[], object]:
    def answer() -> object:
        raise error

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        *map(_raising, [RuntimeError(), SystemExit(), asyncio.CancelledError(), RecursionError()]),
        _raising(KafkaError(ErrorCode.NONE, "x")),
        *(lambda x=x: x for x in (None, True, 1, [], [True], ["ALLOWED"], [1], "A", ALLOWED)),
        *(lambda x=x: x for x in ([ALLOWED, ALLOWED], [None], {ALLOWED: 1}, [[ALLOWED]])),
        lambda: iter([ALLOWED]),
        lambda: [DENIED],
    ],
)
def test_all_but_allowed_denies(answer: Callable[[], object]) -> None:
    authorizer = _answering(answer)
    assert not authorizer.allows(WRITE, 0)
    assert not authorizer.decide(WRITE).allowed
    assert not authorizer.decide((*WRITE[:4], None)).allowed
    assert authorizer.operations(ALICE, "h", ResourceType.TOPIC, "t") == 0
    (error,) = authorizer.created((ALICE, "h"), [AclBinding(FOO, READ)])
    assert error is None or isinstance(error, KafkaError)


def test_an_answer_of_allowed_allows() -> None:
    authorizer = _answering(lambda: [ALLOWED])
    assert authorizer.allows(WRITE, 0)
    assert authorizer.decide((*WRITE[:4], None)).allowed


def test_any_resource_of_a_type_by_the_acls() -> None:
    class Acls(Keeper):
        def authorize(self, context: Any, actions: Any) -> Any:
            return [DENIED]

    authorizer = PluggedAuthorizer(Acls(), lambda: 0.0)
    reads = (ALICE, "h", AclOperation.READ, ResourceType.TOPIC, None)
    assert not authorizer.decide(reads).allowed
    Rules.kept.append(AclBinding(FOO, READ))
    assert authorizer.decide(reads).allowed
    Rules.kept.append(
        AclBinding(FOO._replace(name="*"), READ._replace(permission=AclPermissionType.DENY))
    )
    assert not authorizer.decide(reads).allowed


def test_what_waits_is_asked_again_each_second() -> None:
    now = [0.0]
    authorizer = PluggedAuthorizer(Rules(), lambda: now[0])
    first = authorizer.generation
    now[0] = 1.0
    assert authorizer.generation != first


def test_one_that_cannot_start_stops_the_broker() -> None:
    with pytest.raises(ConfigError, match=r"^authorizer\.class\.name: .*Rules cannot start: OSErr"):
        start("authorizer.class.name", Rules(), _raising(OSError("no policies")))


@pytest.mark.parametrize("session_epoch", [-1, 0])
def test_a_fetch_that_waits_is_asked_about_again(session_epoch: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"1")
        waiting = asyncio.ensure_future(
            fetch(client, wanted(1, max_wait=20_000, session_epoch=session_epoch))
        )
        await asyncio.sleep(2)
        assert not waiting.done()
        Rules.unreadable.append("t")
        assert (await client.produce("t", b"2")).error_code == 0
        answer = await waiting
        assert (errors(answer), size(answer)) == ([ErrorCode.TOPIC_AUTHORIZATION_FAILED], 0)

    _run(scenario)
