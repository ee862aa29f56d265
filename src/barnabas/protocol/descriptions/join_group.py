"""JoinGroup, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
JoinGroupRequest 0-9 6+
  group_id string 0+
  session_timeout int32 0+
  rebalance_timeout int32 1+ =-1
  member_id string 0+
  group_instance_id string 5+ ?5+ =null
  protocol_type string 0+
  protocols []JoinGroupRequestProtocol 0+
    name string 0+
    metadata bytes 0+
  reason string 8+ ?8+ =null
"""

RESPONSE = """
JoinGroupResponse 0-9 6+
  throttle_time int32 2+
  error_code int16 0+
  generation_id int32 0+ =-1
  protocol_type string 7+ ?7+ =null
  protocol_name string 0+ ?7+
  leader string 0+
  skip_assignment bool 9+ =false
  member_id string 0+
  members []JoinGroupResponseMember 0+
    member_id string 0+
    group_instance_id string 5+ ?5+ =null
    metadata bytes 0+
"""
