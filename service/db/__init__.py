"""The database: tables, sessions and migrations. The database is the truth."""

from service.db.base import Base, utcnow
from service.db.engine import Database

__all__ = ["Base", "Database", "utcnow"]
