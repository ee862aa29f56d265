"""DescribeDelegationToken, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeDelegationTokenRequest 0-3 2+
  owners []DescribeDelegationTokenOwner 0+ ?0+
    principal_type string 0+
    principal_name string 0+
"""

RESPONSE = """
DescribeDelegationTokenResponse 0-3 2+
  error_code int16 0+
  tokens []DescribedDelegationToken 0+
    principal_type string 0+
    principal_name string 0+
    token_requester_principal_type string 3+
    token_requester_principal_name string 3+
    issue_timestamp int64 0+
    expiry_timestamp int64 0+
    max_timestamp int64 0+
    token_id string 0+
    hmac bytes 0+
    renewers []DescribedDelegationTokenRenewer 0+
      principal_type string 0+
      principal_name string 0+
  throttle_time int32 0+
"""
