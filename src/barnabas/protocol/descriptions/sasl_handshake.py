"""SaslHandshake, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
SaslHandshakeRequest 0-1 none
  mechanism string 0+
"""

RESPONSE = """
SaslHandshakeResponse 0-1 none
  error_code int16 0+
  mechanisms []string 0+
"""
