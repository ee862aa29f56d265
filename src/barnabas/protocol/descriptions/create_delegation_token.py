"""CreateDelegationToken, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
CreateDelegationTokenRequest 0-3 2+
  owner_principal_type string 3+ ?3+
  owner_principal_name string 3+ ?3+
  renewers []CreatableRenewers 0+
    principal_type string 0+
    principal_name string 0+
  max_lifetime int64 0+
"""

RESPONSE = """
CreateDelegationTokenResponse 0-3 2+
  error_code int16 0+
  principal_type string 0+
  principal_name string 0+
  token_requester_principal_type string 3+
  token_requester_principal_name string 3+
  issue_timestamp int64 0+
  expiry_timestamp int64 0+
  max_timestamp int64 0+
  token_id string 0+
  hmac bytes 0+
  throttle_time int32 0+
"""
