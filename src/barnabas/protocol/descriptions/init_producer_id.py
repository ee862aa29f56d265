"""InitProducerId, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
InitProducerIdRequest 0-5 2+
  transactional_id string 0+ ?0+
  transaction_timeout int32 0+
  producer_id int64 3+ =-1
  producer_epoch int16 3+ =-1
"""

RESPONSE = """
InitProducerIdResponse 0-5 2+
  throttle_time int32 0+
  error_code int16 0+
  producer_id int64 0+ =-1
  producer_epoch int16 0+
"""
