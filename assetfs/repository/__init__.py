"""The seam: what a repository is to the rest of assetfs.

A backend is one class that derives from `Repository`. Four methods and `metadata` are required; everything else is an
optional feature that the backend *declares* in `Capabilities` and that otherwise raises `Unsupported` without having
asked the server anything. Nothing here does I/O.

Words: a *node* is a folder, file or link with an id that never changes. An *entry* is a name in a folder that leads to
a node; a node may have several (hard links). A *version* is an opaque string: two equal versions of a node have equal
bytes. Names are the server's own text, not yet encoded for a file system (`names.py` does that).

Threads: every coroutine runs on the mount's one trio loop and must not hold it for more than a millisecond. Every
coroutine may be cancelled at any checkpoint and must leave no half-read connection in a pool.

Errors: backends raise the closed family of `errors.py` and nothing else. They never import errno.

`repository.py` has the methods, with what each returns, raises and leaves untouched; `capabilities.py` what may be
declared; `node.py`, `answers.py` and `transfers.py` what goes in and out.
"""

from assetfs.repository.answers import Change, Identity, Listing, Page, Usage
from assetfs.repository.capabilities import Alias, Capabilities, RecallPolicy
from assetfs.repository.errors import (
    Busy,
    CodeWanted,
    Conflict,
    CrossScope,
    Fixed,
    Forbidden,
    Immutable,
    NameRejected,
    NoSpace,
    NotAuthenticated,
    NotEmpty,
    NotFound,
    NotHere,
    NotOnline,
    Offline,
    OutOfReach,
    ProtocolViolation,
    QuotaExceeded,
    RepositoryError,
    SameContent,
    TooLarge,
    Unavailable,
    Unsupported,
    ValueRejected,
    VersionChanged,
)
from assetfs.repository.node import Attribute, Availability, Kind, LocalContent, Metadata, Node, NodeId, Rights
from assetfs.repository.repository import Repository
from assetfs.repository.transfers import Draft, Ledger, Sink, Source

__all__ = [
    "Alias",
    "Attribute",
    "Availability",
    "Busy",
    "Capabilities",
    "Change",
    "CodeWanted",
    "Conflict",
    "CrossScope",
    "Draft",
    "Fixed",
    "Forbidden",
    "Identity",
    "Immutable",
    "Kind",
    "Ledger",
    "Listing",
    "LocalContent",
    "Metadata",
    "NameRejected",
    "NoSpace",
    "Node",
    "NodeId",
    "NotAuthenticated",
    "NotEmpty",
    "NotFound",
    "NotHere",
    "NotOnline",
    "Offline",
    "OutOfReach",
    "Page",
    "ProtocolViolation",
    "QuotaExceeded",
    "RecallPolicy",
    "Repository",
    "RepositoryError",
    "Rights",
    "SameContent",
    "Sink",
    "Source",
    "TooLarge",
    "Unavailable",
    "Unsupported",
    "Usage",
    "ValueRejected",
    "VersionChanged",
]
