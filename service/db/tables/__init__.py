"""The tables. Their constraints make wrong states impossible, whoever writes.

Whichever is needed, all are known: they refer to each other.
"""

from service.db.tables import (  # noqa: F401 - registers the tables
    keys,
    processes,
    schedules,
    searches,
    studies,
    webhooks,
)
