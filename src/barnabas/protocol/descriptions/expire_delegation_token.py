"""ExpireDelegationToken, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ExpireDelegationTokenRequest 0-2 2+
  hmac bytes 0+
  expiry_time_period int64 0+
"""

RESPONSE = """
ExpireDelegationTokenResponse 0-2 2+
  error_code int16 0+
  expiry_timestamp int64 0+
  throttle_time int32 0+
"""
