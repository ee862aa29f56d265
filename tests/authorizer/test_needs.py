"""By construction: every API says what its sender must be allowed, and asks for just that."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.kit import Client, run
from tests.authorizer.matrix_cases import CASES
from tests.authorizer.principals import SETTINGS, principals_by_client_id
from tests.authorizer.test_matrix import ask, prepared

from barnabas.api.registry import Needs, handler_of, serves
from barnabas.authorizer.acl import OPERATIONS_OF, AclOperation, ResourceType
from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.authorizer.decision import Asked, Decision, Question
from barnabas.protocol.api import API_TABLE, ApiKey

NEEDS = {api: handler_of(api)[1] for api in API_TABLE}
OPEN_TO_ALL = {
    ApiKey.API_VERSIONS: "it is how a connection begins",
    ApiKey.SASL_HANDSHAKE: "it is how somebody says who he is",
    ApiKey.SASL_AUTHENTICATE: "the same",
    ApiKey.ENVELOPE: "it closes the connection, whoever sends it",
    ApiKey.RENEW_DELEGATION_TOKEN: "the token says who may, and no ACL does",
    ApiKey.EXPIRE_DELEGATION_TOKEN: "the same",
}


@pytest.mark.parametrize("api", API_TABLE, ids=lambda api: ApiKey(api).name)
def test_every_api_says_what_its_sender_must_be_allowed(api: int) -> None:
    needs = NEEDS[api]
    asks = needs.cluster is not None or bool(needs.each)
    assert asks != (api in OPEN_TO_ALL)
    assert needs.cluster is None or not needs.each
    for kind, operation in needs.each:
        assert operation in OPERATIONS_OF[kind]


def test_a_handler_without_a_word_about_that_cannot_be_registered() -> None:
    with pytest.raises(TypeError):
        serves(ApiKey.METADATA)(handler_of(ApiKey.METADATA)[0])  # type: ignore[call-arg]


def declared(needs: Needs) -> set[tuple[ResourceType, AclOperation]]:
    if needs.cluster is not None:
        return {(ResourceType.CLUSTER, needs.cluster)}
    return set(needs.each)


NOT_IN_THE_MATRIX = {ApiKey.DESCRIBE_TOPIC_PARTITIONS, *OPEN_TO_ALL}
"""APIs that it does not have, or that ask for nothing."""
NOT_SERVED = {ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.CONSUMER_GROUP_DESCRIBE}
"""APIs that are off by default."""


ASKING = ("nobody", "topic-describe", "admin")
"""Who may do nothing, who may do the first of two things, and who may do everything."""


def test_handlers_ask_for_what_they_have_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests of the matrix: what is asked for them is what their APIs declare, no more and no
    less."""
    asked: dict[int, set[tuple[ResourceType, AclOperation]]] = {}
    now: list[ApiKey] = []
    decide = AclAuthorizer.decide

    def spying(self: AclAuthorizer, asked_now: Asked) -> Decision:
        question = Question(*asked_now)
        if now and question.principal.name in ASKING:
            about = (question.resource_type, question.operation)
            asked.setdefault(now[0], set()).add(about)
        return decide(self, asked_now)

    def quiet(self: AclAuthorizer, *_: Any) -> int:
        return 0  # what somebody may do is told, not needed

    monkeypatch.setattr(AclAuthorizer, "decide", spying)
    monkeypatch.setattr(AclAuthorizer, "operations", quiet)

    async def scenario(client: Client) -> None:
        world = await prepared(client)
        for number, case in enumerate(CASES):
            for who in map("as {}".format, ASKING):
                now.clear()
                if case.setup is not None:
                    await case.setup(world, f"{number}-{who[3:]}")
                now.append(case.api)
                await ask(world, case, who, f"{number}-{who[3:]}", prepare=False)
                now.clear()

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)
    needed = {api: declared(NEEDS[api]) for api in API_TABLE if api not in NOT_IN_THE_MATRIX}
    for api, found in asked.items():
        assert found <= needed[api], ApiKey(api).name
    unasked = {api for api in needed if not asked.get(api)}
    assert unasked == NOT_SERVED
    all_asked = {(api, about) for api, found in asked.items() for about in found}
    missing = {
        (ApiKey(api).name, *about)
        for api, needs in needed.items()
        for about in needs
        if (api, about) not in all_asked and api not in NOT_SERVED
    }
    assert missing == set()
