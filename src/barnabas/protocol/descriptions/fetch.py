"""Fetch, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
FetchRequest 0-17 12+
  cluster_id string 12+ ?12+ #0:12+ =null
  replica_id int32 0-14 =-1
  replica_state ReplicaState 15+ #1:15+
    replica_id int32 15+ =-1
    replica_epoch int64 15+ =-1
  max_wait int32 0+
  min_bytes int32 0+
  max_bytes int32 3+ =2147483647
  isolation_level int8 4+ =0
  session_id int32 7+ =0
  session_epoch int32 7+ =-1
  topics []FetchTopic 0+
    topic string 0-12
    topic_id uuid 13+
    partitions []FetchPartition 0+
      partition int32 0+
      current_leader_epoch int32 9+ =-1
      fetch_offset int64 0+
      last_fetched_epoch int32 12+ =-1
      log_start_offset int64 5+ =-1
      partition_max_bytes int32 0+
      replica_directory_id uuid 17+ #0:17+
  forgotten_topics_data []ForgottenTopic 7+
    topic string 7-12
    topic_id uuid 13+
    partitions []int32 7+
  rack_id string 11+ =
"""

RESPONSE = """
FetchResponse 0-17 12+
  throttle_time int32 1+
  error_code int16 7+
  session_id int32 7+ =0
  responses []FetchableTopicResponse 0+
    topic string 0-12
    topic_id uuid 13+
    partitions []PartitionData 0+
      partition_index int32 0+
      error_code int16 0+
      high_watermark int64 0+
      last_stable_offset int64 4+ =-1
      log_start_offset int64 5+ =-1
      diverging_epoch EpochEndOffset 12+ #0:12+
        epoch int32 12+ =-1
        end_offset int64 12+ =-1
      current_leader LeaderIdAndEpoch 12+ #1:12+
        leader_id int32 12+ =-1
        leader_epoch int32 12+ =-1
      snapshot_id SnapshotId 12+ #2:12+
        end_offset int64 0+ =-1
        epoch int32 0+ =-1
      aborted_transactions []AbortedTransaction 4+ ?4+
        producer_id int64 4+
        first_offset int64 4+
      preferred_read_replica int32 11+ =-1
      records bytes 0+ ?0+
  node_endpoints []NodeEndpoint 16+ #0:16+
    node_id int32 16+
    host string 16+
    port int32 16+
    rack string 16+ ?16+ =null
"""
