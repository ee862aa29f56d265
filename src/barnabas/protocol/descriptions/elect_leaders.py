"""ElectLeaders, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ElectLeadersRequest 0-2 2+
  election_type int8 1+
  topic_partitions []TopicPartitions 0+ ?0+
    topic string 0+
    partitions []int32 0+
  timeout int32 0+ =60000
"""

RESPONSE = """
ElectLeadersResponse 0-2 2+
  throttle_time int32 0+
  error_code int16 1+
  replica_election_results []ReplicaElectionResult 0+
    topic string 0+
    partition_result []PartitionResult 0+
      partition_id int32 0+
      error_code int16 0+
      error_message string 0+ ?0+
"""
