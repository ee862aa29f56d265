"""The requests of a recorded consumer get the recorded answers."""

from __future__ import annotations

from typing import Any

from tests.api import kit
from tests.api.group_kit import GROUP_APIS, SETTINGS
from tests.protocol import recorded

from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.codec import decode_request, decode_response, encode_body
from barnabas.protocol.header import parse_request_header


def _recorded_answer(row: recorded.Recorded) -> Any:
    """The original's answer to a request, or None if it was not recorded."""
    for found in recorded.of(row.api, is_request=False):
        if found[1] == row.version and found.correlation_id == row.correlation_id:
            tagged = API_TABLE[ApiKey(row.api)].response_is_tagged(row.version)
            return decode_response(row.api, row.version, found.frame, 5 if tagged else 4)
    return None


def _replay(message: Any, theirs: str, ours: str) -> Any:
    """A recorded request with our member's id in the place of the recorded one."""
    if getattr(message, "member_id", "") == theirs:
        message.member_id = ours
    for assignment in getattr(message, "assignments", ()):
        assignment.member_id = ours
    return message


def test_the_recorded_requests_get_the_recorded_answers() -> None:
    """Byte for byte, but for the member id that each coordinator invents and its address."""
    requests = []
    for row in recorded.frames():
        if row.api in GROUP_APIS and row.is_request:
            _, offset = parse_request_header(row.frame)
            message = decode_request(row.api, row.version, row.frame, offset)
            if getattr(message, "key_type", 0) == 0:
                requests.append((row, message))

    async def scenario(client: kit.Client) -> None:
        await client.create("flights", 3)
        ours, theirs, compared = "", "?", 0
        for row, message in requests:
            answer = await client.ask(
                ApiKey(row.api),
                row.version,
                _replay(message, theirs, ours),
                client_id="golden-consumer",
            )
            expected = _recorded_answer(row)
            if expected is None or (row.api == ApiKey.FIND_COORDINATOR and expected.error_code):
                continue  # the original sends the client away while it creates the topic
            if row.api == ApiKey.JOIN_GROUP:
                ours, theirs = answer.member_id, expected.member_id
            if row.api == ApiKey.FIND_COORDINATOR:
                for name in ("node_id", "host", "port"):
                    setattr(answer, name, getattr(expected, name))
            got = encode_body(row.api, row.version, answer, response=True)
            wanted = encode_body(row.api, row.version, expected, response=True)
            assert got.replace(ours.encode(), theirs.encode()) == wanted if ours else got == wanted
            compared += 1
        assert compared >= 10

    kit.run(scenario, settings=SETTINGS)
