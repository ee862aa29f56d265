"""CreateTopics, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
CreateTopicsRequest 0-7 5+
  topics []CreatableTopic 0+
    name string 0+
    num_partitions int32 0+
    replication_factor int16 0+
    assignments []CreatableReplicaAssignment 0+
      partition_index int32 0+
      broker_ids []int32 0+
    configs []CreatableTopicConfig 0+
      name string 0+
      value string 0+ ?0+
  timeout int32 0+ =60000
  validate_only bool 1+ =false
"""

RESPONSE = """
CreateTopicsResponse 0-7 5+
  throttle_time int32 2+
  topics []CreatableTopicResult 0+
    name string 0+
    topic_id uuid 7+
    error_code int16 0+
    error_message string 1+ ?0+
    topic_config_error_code int16 5+ #0:5+
    num_partitions int32 5+ =-1
    replication_factor int16 5+ =-1
    configs []CreatableTopicConfigs 5+ ?5+
      name string 5+
      value string 5+ ?5+
      read_only bool 5+
      config_source int8 5+ =-1
      is_sensitive bool 5+
"""
