"""AddOffsetsToTxn, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
AddOffsetsToTxnRequest 0-4 3+
  transactional_id string 0+
  producer_id int64 0+
  producer_epoch int16 0+
  group_id string 0+
"""

RESPONSE = """
AddOffsetsToTxnResponse 0-4 3+
  throttle_time int32 0+
  error_code int16 0+
"""
