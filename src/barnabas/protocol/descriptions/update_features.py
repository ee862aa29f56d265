"""UpdateFeatures, as Apache Kafka 3.9.1 describes it.

Written by ``tools/describe_messages.py``.
"""

REQUEST = """
UpdateFeaturesRequest 0-1 0+
  timeout int32 0+ =60000
  feature_updates []FeatureUpdateKey 0+
    feature string 0+
    max_version_level int16 0+
    allow_downgrade bool 0
    upgrade_type int8 1+ =1
  validate_only bool 1+ =false
"""

RESPONSE = """
UpdateFeaturesResponse 0-1 0+
  throttle_time int32 0+
  error_code int16 0+
  error_message string 0+ ?0+
  results []UpdatableFeatureResult 0+
    feature string 0+
    error_code int16 0+
    error_message string 0+ ?0+
"""
