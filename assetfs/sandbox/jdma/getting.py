"""The checks of a retrieval, GET, and what the server makes of the names that are asked for."""

from __future__ import annotations

import json
import os
from typing import Any

from assetfs.sandbox.jdma.context import Call
from assetfs.sandbox.jdma.errors import Crash
from assetfs.sandbox.jdma.posting import Bare, Declined, Denied, Fields, check_storage, find_batch, record
from assetfs.sandbox.jdma.stages import BatchStage, Kind, Stage

LONGEST_TARGET = 1024


def get(call: Call, data: Fields, kind: Kind) -> Fields:
    """Accept a retrieval."""
    batch = find_batch(call, data)
    name, number, credentials = str(data["name"]), batch["id"], data.get("credentials", {})
    try:
        check_storage(call, batch["storage"], credentials)
    except Bare as refusal:
        raise Declined("'error'") from refusal  # the reason is lost in the server's own mistake
    if not call.belongs(name, batch["workspace"]):
        raise Denied(f"User {name} does not have permission to request batch {number}")
    if batch["stage"] != BatchStage.ON_STORAGE:
        stage = BatchStage(batch["stage"]).name
        raise Denied(f"Batch stage is: {stage}.  Cannot retrieve (GET) until stage is ON_STORAGE")
    target, listed = data.get("target_path"), data.get("filelist")
    if target is None:
        raise Declined("Target path not supplied")
    if _asked(call, number, target, listed):
        raise Denied(f"Duplicate GET request made: batch: {number}, Target path: {target}")
    parent = os.path.dirname(target)
    if not os.path.exists(parent):
        raise Declined(f"Parent of target path {target} does not exist: {parent}")
    if not call.disk.writable(parent, name):
        raise Denied(f"User {name} does not have write permission to the directory: {target}")
    files = relative(listed, batch["common_path"]) if listed else None
    if files is not None and not _any(call, number, files):
        raise Declined(f"Requested file list contains zero files that belong to batch {number}")
    if len(target) > LONGEST_TARGET:
        raise Crash
    added = record(call, data, kind, number, files, target)
    label, storage, workspace = batch["label"], batch["storage"], batch["workspace"]
    return added | {"filelist": files, "label": label, "storage": storage, "workspace": workspace}


def relative(listed: Any, common_path: str) -> list[str]:
    """Names below the batch: without its path, wherever that stands, and without what is then the first letter."""
    return [entry.replace(common_path, "")[1:] for entry in listed]


def _asked(call: Call, batch: int, target: str, listed: Any) -> bool:
    """Whether the same is asked for already. Absolute names are compared with stored relative ones."""
    query = "SELECT filelist FROM request WHERE batch_id = ? AND kind = ? AND target = ? AND stage != ?"
    rows = call.rows(query, batch, Kind.GET, str(target), Stage.GET_COMPLETED)
    wanted = None if listed is None else json.dumps(listed)
    return any(row["filelist"] == wanted for row in rows)


def _any(call: Call, batch: int, files: list[str]) -> bool:
    wanted = set(files)
    query = "SELECT path FROM file JOIN archive ON archive.id = file.archive_id WHERE batch_id = ?"
    return any(row["path"] in wanted for row in call.db.execute(query, (batch,)))
