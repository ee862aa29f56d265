"""ACLs without an authorizer: answered as the original answers them."""

from __future__ import annotations

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

DISABLED = ErrorCode.SECURITY_DISABLED


def test_in_every_version() -> None:
    sought = Message(
        resource_type_filter=2,
        resource_name_filter="t",
        pattern_type_filter=3,
        principal_filter=None,
        host_filter="*",
        operation=1,
        permission_type=1,
    )
    made = Message(
        resource_type=2,
        resource_name="t",
        resource_pattern_type=3,
        principal="User:a",
        host="*",
        operation=3,
        permission_type=3,
    )

    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.DESCRIBE_ACLS):
            described = await client.ask(ApiKey.DESCRIBE_ACLS, version, sought)
            assert (described.error_code, described.resources) == (DISABLED, ())
            assert described.error_message == "No Authorizer is configured on the broker"
            message = Message(creations=[made, made])
            created = await client.ask(ApiKey.CREATE_ACLS, version, message)
            assert [r.error_code for r in created.results] == [DISABLED] * 2
            deleted = await client.ask(ApiKey.DELETE_ACLS, version, Message(filters=[sought]))
            (result,) = deleted.filter_results
            assert (result.error_code, result.matching_acls) == (DISABLED, ())
            assert result.error_message == "No Authorizer is configured."

    kit.run(scenario)
