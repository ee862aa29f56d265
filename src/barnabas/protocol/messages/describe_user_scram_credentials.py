"""DescribeUserScramCredentials: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class DescribeUserScramCredentialsResponse(ResponseMessage, kw_only=True):
    """DescribeUserScramCredentials, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS

    class Result(MessageStruct, kw_only=True):
        """v0."""

        user: str
        error_code: int
        error_message: str | None
        credential_infos: Sequence[DescribeUserScramCredentialsResponse.CredentialInfo]

    class CredentialInfo(MessageStruct, kw_only=True):
        """v0."""

        mechanism: int
        iterations: int

    throttle_time: int
    error_code: int
    error_message: str | None
    results: Sequence[DescribeUserScramCredentialsResponse.Result]


class DescribeUserScramCredentialsRequest(
    RequestMessage[DescribeUserScramCredentialsResponse], kw_only=True
):
    """DescribeUserScramCredentials, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS

    class UserName(MessageStruct, kw_only=True):
        """v0."""

        name: str

    users: Sequence[DescribeUserScramCredentialsRequest.UserName] | None
