"""WriteTxnMarkers: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class WriteTxnMarkersResponse(ResponseMessage, kw_only=True):
    """WriteTxnMarkers, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.WRITE_TXN_MARKERS

    class WritableTxnMarkerResult(MessageStruct, kw_only=True):
        """v0-1."""

        producer_id: int
        topics: Sequence[WriteTxnMarkersResponse.WritableTxnMarkerTopicResult]

    class WritableTxnMarkerTopicResult(MessageStruct, kw_only=True):
        """v0-1."""

        name: str
        partitions: Sequence[WriteTxnMarkersResponse.WritableTxnMarkerPartitionResult]

    class WritableTxnMarkerPartitionResult(MessageStruct, kw_only=True):
        """v0-1."""

        partition_index: int
        error_code: int

    markers: Sequence[WriteTxnMarkersResponse.WritableTxnMarkerResult]


class WriteTxnMarkersRequest(RequestMessage[WriteTxnMarkersResponse], kw_only=True):
    """WriteTxnMarkers, v0-1."""

    API_KEY: ClassVar[ApiKey] = ApiKey.WRITE_TXN_MARKERS

    class WritableTxnMarker(MessageStruct, kw_only=True):
        """v0-1."""

        producer_id: int
        producer_epoch: int
        transaction_result: bool
        topics: Sequence[WriteTxnMarkersRequest.WritableTxnMarkerTopic]
        coordinator_epoch: int

    class WritableTxnMarkerTopic(MessageStruct, kw_only=True):
        """v0-1."""

        name: str
        partition_indexes: Sequence[int]

    markers: Sequence[WriteTxnMarkersRequest.WritableTxnMarker]
