"""DescribeCluster in every version."""

from __future__ import annotations

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_the_cluster_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        for version in kit.versions(ApiKey.DESCRIBE_CLUSTER):
            message = Message(include_cluster_authorized_operations=True, endpoint_type=1)
            answer = await client.ask(ApiKey.DESCRIBE_CLUSTER, version, message)
            assert answer.error_code == 0
            assert [(b.broker_id, b.host, b.rack) for b in answer.brokers] == [(1, "b1", "r1")]
            assert answer.controller_id == 1
            assert answer.cluster_authorized_operations == 0b1_1111_1010_0000
        for kind, expected in (
            (2, ErrorCode.MISMATCHED_ENDPOINT_TYPE),
            (5, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE),
        ):
            answer = await client.ask(ApiKey.DESCRIBE_CLUSTER, 1, Message(endpoint_type=kind))
            assert (answer.error_code, answer.brokers) == (expected, ())

    kit.run(scenario)
