"""EndTxn, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
EndTxnRequest 0-4 3+
  transactional_id string 0+
  producer_id int64 0+
  producer_epoch int16 0+
  committed bool 0+
"""

RESPONSE = """
EndTxnResponse 0-4 3+
  throttle_time int32 0+
  error_code int16 0+
"""
