"""AlterReplicaLogDirs, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
AlterReplicaLogDirsRequest 0-2 2+
  dirs []AlterReplicaLogDir 0+
    path string 0+
    topics []AlterReplicaLogDirTopic 0+
      name string 0+
      partitions []int32 0+
"""

RESPONSE = """
AlterReplicaLogDirsResponse 0-2 2+
  throttle_time int32 0+
  results []AlterReplicaLogDirTopicResult 0+
    topic_name string 0+
    partitions []AlterReplicaLogDirPartitionResult 0+
      partition_index int32 0+
      error_code int16 0+
"""
