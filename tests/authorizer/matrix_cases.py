"""All requests of the measured authorization matrix, in the order of its recording.

Each case is asked by somebody without any ACL, by one user for each ACL that there can be, and by a
super user. ``who`` tells their requests apart where the first would leave nothing for the next.
"""

from __future__ import annotations

from tests.authorizer.cluster_cases import (
    of_acls,
    of_administration,
    of_connections,
    of_disks,
    of_others,
    of_settings,
    of_tokens,
)
from tests.authorizer.group_cases import of_groups, of_transactions
from tests.authorizer.messages import MISSING, T
from tests.authorizer.topic_cases import of_topic, of_topics

CASES = [
    *of_topic("existing", T),
    *of_topic("missing", MISSING),
    *of_topics(),
    *of_groups(),
    *of_connections(),
    *of_administration(),
    *of_transactions(),
    *of_acls(),
    *of_settings(),
    *of_disks(),
    *of_others(),
    *of_tokens(),
]
