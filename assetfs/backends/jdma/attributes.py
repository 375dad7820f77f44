"""Extended attributes, in the protocol's own terms (section 6).

Nearly all of it is in the listings, and costs nothing. What costs a request is read by its name only. Verbs do
something when they are set; they are never listed, so that copying attributes never recalls or deletes anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assetfs.backends.jdma.nodes import Nodes
from assetfs.backends.jdma.recalls import Where
from assetfs.backends.jdma.tree import Row, Tree
from assetfs.backends.jdma.wire import Batch, BatchStage, Request, User, name_of
from assetfs.repository import Attribute, Forbidden, Metadata, Unsupported, ValueRejected

PREFIX = "user.jdma."
LABEL, EMAIL, NOTIFY, PIN = (f"{PREFIX}{name}" for name in ("label", "email", "notify", "pin"))
RECALL, EVICT, COMMIT, DELETE = (f"{PREFIX}{name}" for name in ("recall", "evict", "commit", "delete"))
EXTERNAL_ID, REQUEST, FAILURE, BACKENDS = (f"{PREFIX}{n}" for n in ("external_id", "request", "failure", "backends"))
VERBS = frozenset({RECALL, EVICT, COMMIT, DELETE})
LAZY = frozenset({EXTERNAL_ID, REQUEST, FAILURE, BACKENDS, RECALL})
LONGEST_LABEL = 1024
LONGEST_ADDRESS = 256


def of_root(user: User, url: str) -> Metadata:
    """What is known of who asks."""
    return {
        f"{PREFIX}name": _fixed(user.name),
        f"{PREFIX}url": _fixed(url),
        EMAIL: Attribute(user.email.encode(), writable=True),
        NOTIFY: Attribute(b"1" if user.notify else b"0", writable=True),
    }


def of_workspace(name: str, scope: str) -> Metadata:
    return {f"{PREFIX}workspace": _fixed(name), f"{PREFIX}scope": _fixed(scope)}


def of_batch(batch: Batch, tree: Tree | None, nodes: Nodes, *, ours: bool) -> Metadata:
    """A batch; what is in it, where that was listed already."""
    found = {
        f"{PREFIX}id": _fixed(batch.id),
        f"{PREFIX}workspace": _fixed(batch.workspace),
        f"{PREFIX}owner": _fixed(batch.user),
        f"{PREFIX}storage": _fixed(batch.storage),
        f"{PREFIX}stage": _fixed(name_of(BatchStage, batch.stage)),
    }
    if batch.label is not None:
        found[LABEL] = Attribute(batch.label.encode("utf-8", "surrogatepass"), writable=ours)
    if batch.registered_date is not None:
        found[f"{PREFIX}registered"] = _fixed(batch.registered_date)
    if tree is not None:
        online = [row.file.size for row in tree.rows.values() if nodes.where(batch, row) is Where.ONLINE]
        counts = {
            "archives": tree.archives,
            "files": len(tree.rows),
            "bytes": tree.bytes,
            "skipped": tree.skipped,
            "online_files": len(online),
            "online_bytes": sum(online),
        }
        found.update((f"{PREFIX}{name}", _fixed(count)) for name, count in counts.items())
    return found


def of_folder(batch: Batch) -> Metadata:
    """A folder in a batch."""
    return {f"{PREFIX}id": _fixed(batch.id), f"{PREFIX}stage": _fixed(name_of(BatchStage, batch.stage))}


def of_file(batch: Batch, row: Row, where: Where, *, pinned: bool | None) -> Metadata:
    """A file; `pinned` None where there are no copies to pin."""
    found = {
        f"{PREFIX}path": _fixed(row.file.path),
        f"{PREFIX}size": _fixed(row.file.size),
        f"{PREFIX}digest": _fixed(f"{row.file.digest_format}:{row.file.digest}"),
        f"{PREFIX}archive": _fixed(row.archive),
        f"{PREFIX}pk": _fixed(row.file.pk),
        f"{PREFIX}stage": _fixed(name_of(BatchStage, batch.stage)),
        f"{PREFIX}state": _fixed(where.value),
    }
    if pinned is not None:
        found[PIN] = Attribute(b"1" if pinned else b"0", writable=True)
    return found


def of_draft(label: str, state: Mapping[str, Any], newest: Request | None) -> Metadata:
    """A folder that is not committed, or not through yet; `state` is its ledger's."""
    number = state.get("batch")
    found = {f"{PREFIX}stage": _fixed("DRAFT" if number is None else "PUTTING"), LABEL: _fixed(label)}
    if number is not None:
        found[f"{PREFIX}id"] = _fixed(number)
        found[REQUEST] = _fixed(newest if newest is not None else f"{state['request']} {state['kind']}")
    return found


def backends(names: Mapping[str, str]) -> bytes:
    return json.dumps(dict(names), ensure_ascii=False).encode()


# ---- values that are set ------------------------------------------------------------------------------------------


def check_values(changes: Mapping[str, bytes | None]) -> None:
    """Raise ValueRejected for values that fit nothing, as far as all before them could be set on something."""
    for name, value in changes.items():
        if name not in CHECKS:
            return
        if value is not None:
            CHECKS[name](text_of(value))


def checked(changes: Mapping[str, bytes | None], known: Metadata, *, batch: bool) -> dict[str, bytes | None]:
    """Changes that can be made on something with these attributes; a `batch` may have no label. Raises Forbidden for
    what is read-only, Unsupported for what there is not, ValueRejected for values that do not fit."""
    for name, value in changes.items():
        attribute = known.get(name)
        if attribute is None and not (batch and name == LABEL):
            raise Unsupported(f"{name} is no attribute of this")
        if attribute is not None and not attribute.writable:
            raise Forbidden(f"{name} cannot be changed here")
        if value is None and name != PIN:
            raise Forbidden(f"{name} cannot be removed")
    check_values(changes)
    return dict(changes)


def edits(wished: Mapping[str, bytes | None]) -> dict[str, str | bool]:
    """What is to be changed of the user."""
    found: dict[str, str | bool] = {}
    if (email := wished.get(EMAIL)) is not None:
        found["email"] = text_of(email)
    if (notify := wished.get(NOTIFY)) is not None:
        found["notify"] = notify == b"1"
    return found


def check_label(label: str) -> None:
    """Raise ValueRejected for what cannot be a batch's label."""
    if not label:
        raise ValueRejected("a label cannot be empty")
    if len(label) > LONGEST_LABEL:
        raise ValueRejected(f"a label has at most {LONGEST_LABEL} letters")
    if "\0" in label:
        raise ValueRejected("a label cannot hold a NUL")


def _check_email(address: str) -> None:
    if not address or len(address) > LONGEST_ADDRESS or any(not letter.isprintable() for letter in address):
        raise ValueRejected(f"an address is one line of 1 to {LONGEST_ADDRESS} letters")


def _check_switch(value: str) -> None:
    if value not in ("0", "1"):
        raise ValueRejected("0 or 1")


CHECKS = {LABEL: check_label, EMAIL: _check_email, NOTIFY: _check_switch, PIN: _check_switch}


def text_of(value: bytes) -> str:
    """A value as text. Raises ValueRejected."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueRejected("the value is no UTF-8") from None


def _fixed(value: object) -> Attribute:
    return Attribute(str(value).encode("utf-8", "surrogatepass"))
