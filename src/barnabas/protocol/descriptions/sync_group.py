"""SyncGroup, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
SyncGroupRequest 0-5 4+
  group_id string 0+
  generation_id int32 0+
  member_id string 0+
  group_instance_id string 3+ ?3+ =null
  protocol_type string 5+ ?5+ =null
  protocol_name string 5+ ?5+ =null
  assignments []SyncGroupRequestAssignment 0+
    member_id string 0+
    assignment bytes 0+
"""

RESPONSE = """
SyncGroupResponse 0-5 4+
  throttle_time int32 1+
  error_code int16 0+
  protocol_type string 5+ ?5+ =null
  protocol_name string 5+ ?5+ =null
  assignment bytes 0+
"""
