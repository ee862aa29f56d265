"""Envelope, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
EnvelopeRequest 0 0+
  request_data bytes 0+
  request_principal bytes 0+ ?0+
  client_host_address bytes 0+
"""

RESPONSE = """
EnvelopeResponse 0 0+
  response_data bytes 0+ ?0+ =null
  error_code int16 0+
"""
