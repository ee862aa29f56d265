"""The classes in protocol/messages: what they refuse, and that they are what the schemas say."""

from __future__ import annotations

import ast
import uuid

import pytest
from tools import generate_messages

from barnabas.errors import ErrorCode
from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.message import Message, message_class
from barnabas.protocol.messages.heartbeat import HeartbeatResponse
from barnabas.protocol.messages.metadata import MetadataResponse

_TOPIC = MetadataResponse.Topic(error_code=3, name="t", partitions=[])


def test_every_module_is_what_the_schemas_say() -> None:
    for path, text in generate_messages.modules():
        assert ast.dump(ast.parse(path.read_text())) == ast.dump(ast.parse(text)), path.name


def test_a_misspelt_field_is_an_error_where_the_message_is_made() -> None:
    with pytest.raises(TypeError, match="eror_code"):
        HeartbeatResponse(eror_code=ErrorCode.NONE)  # type: ignore[call-arg]
    answer = HeartbeatResponse(error_code=ErrorCode.NONE)
    with pytest.raises(AttributeError):
        answer.eror_code = 15  # type: ignore[attr-defined]


def test_a_missing_field_is_an_error_unless_the_schema_has_a_default() -> None:
    with pytest.raises(TypeError, match="error_code"):
        HeartbeatResponse()  # type: ignore[call-arg]
    assert (_TOPIC.topic_id, _TOPIC.is_internal) == (None, False)
    assert _TOPIC.topic_authorized_operations == -(2**31)


def test_a_version_decodes_to_all_fields() -> None:
    message = MetadataResponse(brokers=[], topics=[_TOPIC], cluster_id="c", throttle_time=5)
    body = codec.encode_body(ApiKey.METADATA, 1, message, response=True)
    back = codec.decode_response(ApiKey.METADATA, 1, body)
    assert isinstance(back, MetadataResponse)
    assert isinstance(back.topics[0], MetadataResponse.Topic)
    assert (back.throttle_time, back.cluster_id) == (0, None)


def test_a_message_of_another_api_is_refused() -> None:
    with pytest.raises(TypeError, match="MetadataResponse"):
        codec.encode_body(ApiKey.METADATA, 1, HeartbeatResponse(error_code=0), response=True)


def test_an_untyped_message_is_typed_when_it_is_encoded() -> None:
    topic = Message(name="t", topic_id=uuid.UUID(int=5))
    body = codec.encode_body(ApiKey.METADATA, 12, Message(topics=[topic]), response=True)
    back = codec.decode_response(ApiKey.METADATA, 12, body)
    assert Message(topics=(topic,)) == back
    assert Message(topics=()) != back
    with pytest.raises(TypeError, match="nmae"):
        codec.encode_body(ApiKey.METADATA, 12, Message(topics=[Message(nmae="t")]), response=True)


def test_each_api_has_its_two_classes() -> None:
    for key in API_TABLE:
        for response in (False, True):
            assert message_class(key, response=response).API_KEY is key
