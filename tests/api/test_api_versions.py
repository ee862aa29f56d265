"""ApiVersions: the table, the way down for newer clients, the feature epoch, silly names."""

from __future__ import annotations

import struct
from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol import codec
from barnabas.protocol.api import API_TABLE, SERVED, ApiKey
from barnabas.protocol.message import Message

API_VERSIONS = ApiKey.API_VERSIONS


def _table(answer: Any) -> dict[int, tuple[int, int]]:
    return {row.api_key: (row.min_version, row.max_version) for row in answer.api_keys}


def test_every_version_lists_what_is_served() -> None:
    async def scenario(client: kit.Client) -> None:
        me = Message(client_software_name="apache-kafka-java", client_software_version="3.9.1")
        for version in kit.versions(API_VERSIONS):
            answer = await client.ask(API_VERSIONS, version, me)
            assert answer.error_code == 0
            table = _table(answer)
            assert list(table) == sorted(int(key) for key in SERVED)
            assert table[ApiKey.PRODUCE] == (0, 11)
            assert table[ApiKey.FETCH] == (4, 17)
            for key in table:
                assert table[key][1] == API_TABLE[key].max_version
            if version >= 3:
                assert answer.finalized_features_epoch == 0  # the version of /feature

    kit.run(scenario)


def test_a_version_from_the_future_is_answered_in_the_form_of_v0() -> None:
    async def scenario(client: kit.Client) -> None:
        connection = await client.connection()
        frame = struct.pack(">hhihb", API_VERSIONS, 9, 5, -1, 0) + b"\x01\x02\x03"
        future = connection.send_frame(struct.pack(">i", len(frame)) + frame)
        answer = await connection.wait(future, 5000)
        body = codec.decode_response(API_VERSIONS, 0, answer, 4)
        assert body.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert _table(body)[API_VERSIONS] == (0, 4)

    kit.run(scenario)


def test_names_that_no_client_has() -> None:
    async def scenario(client: kit.Client) -> None:
        for name, number in (("", "1"), ("-x", "1"), ("x", "1 0")):
            me = Message(client_software_name=name, client_software_version=number)
            answer = await client.ask(API_VERSIONS, 3, me)
            assert answer.error_code == ErrorCode.INVALID_REQUEST
            assert answer.api_keys == ()

    kit.run(scenario)
