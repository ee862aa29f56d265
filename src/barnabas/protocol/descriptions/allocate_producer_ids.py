"""AllocateProducerIds, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
AllocateProducerIdsRequest 0 0+
  broker_id int32 0+
  broker_epoch int64 0+ =-1
"""

RESPONSE = """
AllocateProducerIdsResponse 0 0+
  throttle_time int32 0+
  error_code int16 0+
  producer_id_start int64 0+
  producer_id_len int32 0+
"""
