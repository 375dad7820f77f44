"""The API of the real SAMS server for gunicorn, under the server's own Python: with its index made, and with
`ASSETFS_IN_MEMORY` its databases in the memory of this process (mongomock) instead of MongoDB.

mongomock's own GridFS does not find again what it has stored, so that files are kept in a dictionary.
"""

import datetime
import hashlib
import importlib
import io
import os

import pymongo
from bson import ObjectId
from gridfs.errors import NoFile

FILES = {}


class Stored(io.BytesIO):
    """A stored file, as the server's code reads it."""

    def __init__(self, file_id, filename, content):
        super().__init__(content)
        self._id, self.filename, self.name = file_id, filename, filename
        self.length, self.md5 = len(content), hashlib.md5(content).hexdigest()
        self.content_type = self.metadata = None
        self.upload_date = datetime.datetime.now()


class Files:
    """What the server's code asks of GridFS."""

    def __init__(self, database):
        self._files = FILES.setdefault(database.name, {})

    def put(self, content, filename=None):
        file_id = ObjectId()
        self._files[file_id] = (filename, content.read() if hasattr(content, "read") else bytes(content))
        return file_id

    def get(self, file_id):
        if file_id not in self._files:
            raise NoFile(str(file_id))
        return Stored(file_id, *self._files[file_id])

    def exists(self, file_id):
        return file_id in self._files

    def delete(self, file_id):
        self._files.pop(file_id, None)


def put_into_memory():
    """Every client of a database from now on is one of the same databases in memory."""
    import mongomock

    pymongo.MongoClient = pymongo.mongo_client.MongoClient = mongomock.MongoClient
    importlib.import_module("eve.io.mongo.flask_pymongo").MongoClient = mongomock.MongoClient
    storage = importlib.import_module("sams.storage.providers.mongo")
    storage.MongoClient, storage.GridFS = mongomock.MongoClient, Files


if os.environ.get("ASSETFS_IN_MEMORY"):
    put_into_memory()

application = importlib.import_module("sams.apps.api.app").get_app("sams")
with application.app_context():
    application.data.init_elastic(application)
