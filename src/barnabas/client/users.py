"""Lists and changes SCRAM users for a client.

Passwords are salted here, so they are never sent to a broker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.alter_user_scram_credentials import AlterUserScramCredentialsRequest
from barnabas.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
)
from barnabas.security.sasl.mechanism import SCRAM_SHA_256, SCRAM_SHA_512
from barnabas.security.sasl.scram import salted_password

NUMBERS: Final = {SCRAM_SHA_256: 1, SCRAM_SHA_512: 2}
_NAMES: Final = {number: name for name, number in NUMBERS.items()}


async def set_password(
    client: ClusterClient, user: str, mechanism: str, password: str, salt: bytes, iterations: int
) -> None:
    """Let ``user`` log in with this password. Raises ClientError."""
    salted = salted_password(mechanism, password.encode(), salt, iterations)
    entry = AlterUserScramCredentialsRequest.ScramCredentialUpsertion(
        name=user,
        mechanism=NUMBERS[mechanism],
        iterations=iterations,
        salt=salt,
        salted_password=salted,
    )
    await _alter(client, AlterUserScramCredentialsRequest(deletions=[], upsertions=[entry]))


async def delete_user(client: ClusterClient, user: str, mechanisms: Sequence[str]) -> None:
    """Delete ``user``'s passwords for these mechanisms. Raises ClientError."""
    entries = [
        AlterUserScramCredentialsRequest.ScramCredentialDeletion(name=user, mechanism=NUMBERS[m])
        for m in mechanisms
    ]
    await _alter(client, AlterUserScramCredentialsRequest(deletions=entries, upsertions=[]))


async def _alter(client: ClusterClient, message: AlterUserScramCredentialsRequest) -> None:
    answer = await client.controller(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, message)
    for result in answer.results:
        if result.error_code != ErrorCode.NONE:
            raise ClientError(f"user {result.user}", result.error_code, result.error_message)


async def list_users(
    client: ClusterClient, users: Sequence[str] | None = None
) -> dict[str, dict[str, int]]:
    """The number of iterations by user and mechanism. Raises ClientError."""
    named = (
        None
        if users is None
        else [DescribeUserScramCredentialsRequest.UserName(name=user) for user in users]
    )
    answer = await client.any_broker(
        ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, DescribeUserScramCredentialsRequest(users=named)
    )
    if answer.error_code != ErrorCode.NONE:
        raise ClientError("users", answer.error_code, answer.error_message)
    found: dict[str, dict[str, int]] = {}
    for result in answer.results:
        if result.error_code != ErrorCode.NONE:
            raise ClientError(f"user {result.user}", result.error_code, result.error_message)
        found[result.user] = {
            _NAMES.get(c.mechanism, f"mechanism {c.mechanism}"): int(c.iterations)
            for c in result.credential_infos
        }
    return found
