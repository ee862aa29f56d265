"""CreatePartitions, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
CreatePartitionsRequest 0-3 2+
  topics []CreatePartitionsTopic 0+
    name string 0+
    count int32 0+
    assignments []CreatePartitionsAssignment 0+ ?0+
      broker_ids []int32 0+
  timeout int32 0+
  validate_only bool 0+
"""

RESPONSE = """
CreatePartitionsResponse 0-3 2+
  throttle_time int32 0+
  results []CreatePartitionsTopicResult 0+
    name string 0+
    error_code int16 0+
    error_message string 0+ ?0+ =null
"""
