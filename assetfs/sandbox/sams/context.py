"""What a handler has at hand while it runs: the documents, the blobs, the request, and the server's settings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from assetfs.sandbox.sams.documents import Document, Documents
from assetfs.sandbox.sams.errors import framework
from assetfs.sandbox.sams.multipart import Form
from assetfs.sandbox.store import Blobs
from assetfs.sandbox.switches import Switchboard

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HTML = "text/html; charset=utf-8"
NO_CACHE = ("cache-control", "max-age=0, no-cache")

# The configured storage, by name. The last consists of letters and digits, as the route of one destination wants.
DESTINATIONS = {"archive": "AmazonS3", "internal": "MongoGridFS"}


@dataclass
class Switches(Switchboard):
    """Lasting behaviour that a test can change while the server runs."""

    proxy_ranges: bool = False  # a cache in front honours Range on binary routes
    unnamable: bool = True  # a file name beyond Latin-1 breaks its own download, as behind gunicorn
    authentication: bool = True  # False: the server's default, open to all
    maximum_asset_size: int = 0  # SAMS_MAX_ASSET_SIZE in bytes, 0 for none
    lost_patches: bool = False  # the update of an asset loses a race: 200, and nothing is stored


@dataclass
class Body:
    """Bytes of a blob as the body of an answer. Announcing another length than it has is possible, and happens."""

    path: Path
    size: int
    announced: int
    start: int = 0


@dataclass
class Reply:
    """One answer: either `body`, or the bytes of `content`."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)
    content: Body | None = None


@dataclass
class Call:
    """One request, inside one transaction."""

    documents: Documents
    blobs: Blobs
    switches: Switches
    file_server_url: str
    params: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    form: Form | None = None

    @property
    def user(self) -> str | None:
        """Who the caller says they are; free text."""
        return self.query.get("external_user_id") or None

    @property
    def session(self) -> str | None:
        """The caller's session; free text."""
        return self.query.get("external_session_id") or None

    def payload(self) -> Any:
        """The body as the framework takes it: JSON, or the fields of a form. Refuses everything else."""
        kind = self.headers.get("content-type", "").partition(";")[0]
        if self.form is not None:
            return dict(self.form.fields)
        if kind == FORM:
            return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        if kind != JSON:
            raise framework(400, "Unknown or no Content-Type header supplied")
        return self._json()

    def json(self) -> Any:
        """The body as the hand-written routes take it: JSON, or None where it does not say that it is JSON."""
        return self._json() if self.headers.get("content-type", "").partition(";")[0] == JSON else None

    def _json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise framework(400) from error

    def check_etag(self, document: Document) -> None:
        """Refuse a change that does not name the document's current etag: bare, quoted and weak forms will do."""
        given = self.headers.get("if-match")
        if given is None:
            raise framework(428)
        if given.removeprefix("W/").strip('"') != document["_etag"]:
            raise framework(412)

    def exists(self, resource: str, document_id: str) -> bool:
        """Whether a resource has a document with this id."""
        find = self.documents.set if resource == "sets" else self.documents.asset
        return find(document_id) is not None

    def unchanged(self, etag: str, modified: str) -> bool:
        """Whether the caller has this already: If-None-Match decides when it is there, else If-Modified-Since."""
        if (tags := self.headers.get("if-none-match")) is not None:
            return tags == "*" or etag in [tag.strip().removeprefix("W/").strip('"') for tag in tags.split(",")]
        try:
            since = parsedate_to_datetime(self.headers.get("if-modified-since", ""))
            return since >= parsedate_to_datetime(modified)
        except (ValueError, TypeError):
            return False


def creating(call: Call, document: Document) -> Document:
    """A new document with its id, times, creators and etag."""
    moment = call.documents.moment()
    document.setdefault("_id", call.documents.new_id())
    document.setdefault("state", "draft")
    document |= {"firstcreated": moment, "versioncreated": moment, "_created": moment}
    if call.user:
        document |= {"original_creator": call.user, "version_creator": call.user}
    call.documents.touch(document)
    return document


def changing(call: Call, document: Document) -> Document:
    """A changed document's new time, author and etag."""
    document["versioncreated"] = call.documents.moment()
    if call.user:
        document["version_creator"] = call.user
    call.documents.touch(document)
    return document
