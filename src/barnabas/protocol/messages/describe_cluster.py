"""DescribeCluster: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeClusterResponse(ResponseMessage, kw_only=True):
    """DescribeCluster, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_CLUSTER

    class Broker(MessageStruct, kw_only=True):
        """v0-1."""

        broker_id: int
        host: str
        port: int
        rack: str | None = None

    throttle_time: int
    error_code: int
    error_message: str | None = None
    cluster_id: str
    controller_id: int = -1
    brokers: Sequence[DescribeClusterResponse.Broker]
    cluster_authorized_operations: int = -2147483648
    endpoint_type: int = 1  # v1


class DescribeClusterRequest(RequestMessage[DescribeClusterResponse], kw_only=True):
    """DescribeCluster, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_CLUSTER

    include_cluster_authorized_operations: bool
    endpoint_type: int = 1  # v1
