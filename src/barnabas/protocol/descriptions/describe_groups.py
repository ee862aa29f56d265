"""DescribeGroups, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
DescribeGroupsRequest 0-5 5+
  groups []string 0+
  include_authorized_operations bool 3+
"""

RESPONSE = """
DescribeGroupsResponse 0-5 5+
  throttle_time int32 1+
  groups []DescribedGroup 0+
    error_code int16 0+
    group_id string 0+
    group_state string 0+
    protocol_type string 0+
    protocol_data string 0+
    members []DescribedGroupMember 0+
      member_id string 0+
      group_instance_id string 4+ ?4+ =null
      client_id string 0+
      client_host string 0+
      member_metadata bytes 0+
      member_assignment bytes 0+
    authorized_operations int32 3+ =-2147483648
"""
