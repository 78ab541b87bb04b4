"""The store that scales out: MongoDB (DESIGN.md section 7)."""

from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.records import MongoRecords
from protes.store.mongo.tasks import MongoTaskStore

__all__ = ["MongoDatabase", "MongoRecords", "MongoTaskStore"]
