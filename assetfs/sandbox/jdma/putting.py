"""The checks of an upload: PUT, and MIGRATE, which removes the folder afterwards."""

from __future__ import annotations

import json
from typing import Any

from assetfs.sandbox.jdma.batches import label_column
from assetfs.sandbox.jdma.context import STORAGES, Call
from assetfs.sandbox.jdma.errors import Crash
from assetfs.sandbox.jdma.posting import Declined, Denied, Fields, check_storage, record
from assetfs.sandbox.jdma.stages import BatchStage, Kind

DUPLICATE = "'list' object has no attribute 'first'"  # the server's own mistake


def put(call: Call, data: Fields, kind: Kind) -> Fields:
    """Accept an upload. An answer that is none has an empty error, too."""
    workspace, files = _room(call, data), _files(call, data)
    if "storage" not in data:
        raise Declined("External storage not specified in PUT / MIGRATE request")
    missing = [path for path in files if not call.disk.sees(str(path))]
    if missing:
        raise Declined("".join(f"Path {path} does not exist" for path in missing))
    storage, name = data["storage"], str(data["name"])
    check_storage(call, storage, data.get("credentials", {}))
    quota = call.row("SELECT * FROM quota WHERE workspace = ? AND storage = ?", workspace, storage)
    if quota is None:
        raise Declined(f"External storage: {storage} has not been attached to the groupworkspace: {workspace}")
    room = f"workspace: {workspace}"
    if not call.belongs(name, workspace):
        raise Denied(
            f"User: {name} does not have write permissions or the {room} does not exist for external storage:"
            f" {STORAGES[storage]}"
        )
    if quota["used"] >= quota["size"]:
        raise Denied(
            f"User: {name} has insufficient quota remaining for {room} for external storage: {STORAGES[storage]}"
        )
    columns = (name, workspace, label_column(data["label"]), storage, call.switches.stamp())
    query = "INSERT INTO batch (owner, workspace, label, storage, registered) VALUES (?, ?, ?, ?, ?)"
    batch = int(call.db.execute(query, columns).lastrowid or 0)
    return record(call, data, kind, batch, files) | {"error": ""}


def _room(call: Call, data: Fields) -> str:
    if "workspace" not in data:
        raise Declined("No workspace supplied")
    workspace = str(data["workspace"])
    if not call.known(workspace):
        raise Declined(f"Workspace {workspace} has no associated groupworkspace quota set")
    return workspace


def _files(call: Call, data: Fields) -> Any:
    """The list as it was sent, which no upload that is not deleted has had already."""
    if "filelist" not in data:
        raise Declined("No directory path or filelist supplied")
    files = data["filelist"]
    if len(files) == 0:
        raise Declined("Filelist is empty")
    if not isinstance(files, list):
        raise Crash
    query = """
    SELECT 1 FROM request JOIN batch ON batch.id = request.batch_id WHERE request.filelist = ? AND batch.stage != ?"""
    if call.row(query, json.dumps(files), BatchStage.DELETED) is not None or "label" not in data:
        raise Declined(DUPLICATE)
    return files
