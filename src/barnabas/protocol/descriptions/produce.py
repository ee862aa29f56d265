"""Produce, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
ProduceRequest 0-11 9+
  transactional_id string 3+ ?3+ =null
  acks int16 0+
  timeout int32 0+
  topic_data []TopicProduceData 0+
    name string 0+
    partition_data []PartitionProduceData 0+
      index int32 0+
      records bytes 0+ ?0+
"""

RESPONSE = """
ProduceResponse 0-11 9+
  responses []TopicProduceResponse 0+
    name string 0+
    partition_responses []PartitionProduceResponse 0+
      index int32 0+
      error_code int16 0+
      base_offset int64 0+
      log_append_time int64 2+ =-1
      log_start_offset int64 5+ =-1
      record_errors []BatchIndexAndErrorMessage 8+
        batch_index int32 8+
        batch_index_error_message string 8+ ?8+ =null
      error_message string 8+ ?8+ =null
      current_leader LeaderIdAndEpoch 10+ #0:10+
        leader_id int32 10+ =-1
        leader_epoch int32 10+ =-1
  throttle_time int32 1+ =0
  node_endpoints []NodeEndpoint 10+ #0:10+
    node_id int32 10+
    host string 10+
    port int32 10+
    rack string 10+ ?10+ =null
"""
