"""ControlledShutdown, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ControlledShutdownRequest 0-3 3+
  broker_id int32 0+
  broker_epoch int64 2+ =-1
"""

RESPONSE = """
ControlledShutdownResponse 0-3 3+
  error_code int16 0+
  remaining_partitions []RemainingPartition 0+
    topic_name string 0+
    partition_index int32 0+
"""
