"""The checks of a DELETE. It is taken at every stage of a batch, and cancels an upload."""

from __future__ import annotations

from assetfs.sandbox.jdma.context import Call
from assetfs.sandbox.jdma.posting import Denied, Fields, check_storage, find_batch, record
from assetfs.sandbox.jdma.stages import Kind


def delete(call: Call, data: Fields, kind: Kind) -> Fields:
    """Accept a deletion. A failed one counts as made: it can never be repeated."""
    batch = find_batch(call, data)
    name, number = str(data["name"]), batch["id"]
    data["storage"]  # has to be there; what it says is of no interest
    check_storage(call, batch["storage"], data.get("credentials", {}))
    member = call.belongs(name, batch["workspace"])
    if not member or not (batch["owner"] == name or call.manages(name, batch["workspace"])):
        raise Denied(f"User {name} does not have permission to delete batch: {number}")
    if call.row("SELECT 1 FROM request WHERE batch_id = ? AND kind = ?", number, kind) is not None:
        raise Denied(f"Duplicate DELETE request made: batch: {number}")
    added = record(call, data, kind, number)
    return added | {"workspace": batch["workspace"], "storage": batch["storage"], "label": batch["label"]}
