"""SaslAuthenticate, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
SaslAuthenticateRequest 0-2 2+
  auth_bytes bytes 0+
"""

RESPONSE = """
SaslAuthenticateResponse 0-2 2+
  error_code int16 0+
  error_message string 0+ ?0+
  auth_bytes bytes 0+
  session_lifetime int64 1+ =0
"""
