"""AlterUserScramCredentials: written by ``tools/generate_messages.py`` from the schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import MessageStruct, RequestMessage, ResponseMessage


class AlterUserScramCredentialsResponse(ResponseMessage, kw_only=True):
    """AlterUserScramCredentials, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_USER_SCRAM_CREDENTIALS

    class Result(MessageStruct, kw_only=True):
        """v0."""

        user: str
        error_code: int
        error_message: str | None

    throttle_time: int
    results: Sequence[AlterUserScramCredentialsResponse.Result]


class AlterUserScramCredentialsRequest(
    RequestMessage[AlterUserScramCredentialsResponse], kw_only=True
):
    """AlterUserScramCredentials, v0."""

    API_KEY: ClassVar[ApiKey] = ApiKey.ALTER_USER_SCRAM_CREDENTIALS

    class ScramCredentialDeletion(MessageStruct, kw_only=True):
        """v0."""

        name: str
        mechanism: int

    class ScramCredentialUpsertion(MessageStruct, kw_only=True):
        """v0."""

        name: str
        mechanism: int
        iterations: int
        salt: bytes
        salted_password: bytes

    deletions: Sequence[AlterUserScramCredentialsRequest.ScramCredentialDeletion]
    upsertions: Sequence[AlterUserScramCredentialsRequest.ScramCredentialUpsertion]
