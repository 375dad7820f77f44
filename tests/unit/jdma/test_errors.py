"""The server's refusals become the errnos of docs/backends/jdma.md, and never repeat what might be secret."""

from __future__ import annotations

import errno
import json

import pytest

from assetfs.backends.jdma.errors import AlreadyTaken, refusal
from assetfs.fuse.errno import errno_of

TEXTS = [
    (403, "User fred not initialised yet.  Run jdma.py init first.", errno.EACCES),
    (403, "User fred not initialised yet.  Run jdma.py init first", errno.EACCES),
    (403, "User does not have permission to view batches in the workspace", errno.EACCES),
    (403, "User fred does not have permission to request batch 1", errno.EACCES),
    (403, "User alice does not have permission to delete batch: 1", errno.EACCES),
    (403, "User fred does not have write permission to the directory: /gws/x", errno.EACCES),
    (403, "User x cannot edit this batch as they do not own it!", errno.EACCES),
    (
        403,
        "User: fred does not have write permissions or the workspace: W does not exist for external storage: E",
        errno.EACCES,
    ),
    (
        403,
        "User: fred has insufficient quota remaining for workspace: W for external storage: Elastic Tape",
        errno.EDQUOT,
    ),
    (403, "Batch stage is: PUTTING.  Cannot retrieve (GET) until stage is ON_STORAGE", errno.EBUSY),
    (403, "Batch stage is: FAILED.  Cannot retrieve (GET) until stage is ON_STORAGE", errno.ENOENT),
    (403, "Batch stage is: DELETED.  Cannot retrieve (GET) until stage is ON_STORAGE", errno.ENOENT),
    (403, "Duplicate GET request made: batch: 1, Target path: P", errno.EBUSY),
    (403, "Duplicate DELETE request made: batch: 1", errno.EBUSY),
    (404, "'list' object has no attribute 'first'", errno.EEXIST),
    (404, "Path /gws/a does not exist", errno.EIO),
    (404, "Path /gws/a does not existPath /gws/b does not exist", errno.EIO),
    (404, "Path /stage/put/0/insufficient quota does not exist", errno.EIO),
    (404, "Parent of target path P does not exist: B", errno.EIO),
    (404, "External storage: elastictape not connecting.  Reason is: R", errno.EAGAIN),
    (404, "'error'", errno.EAGAIN),
    (404, "External storage: S does not exist", errno.EINVAL),
    (404, "External storage: S has not been attached to the groupworkspace: W", errno.EINVAL),
    (
        404,
        "Required credentials for: S not supplied  Required credentials for: S are: access_key."
        "  Supplied credentials: {'access_key': 'hunter2'}.",
        errno.EINVAL,
    ),
    (404, "Batch not found.", errno.ENOENT),
    (404, "Batch not found", errno.ENOENT),
    (404, "Request not found.", errno.ENOENT),
    (404, "Workspace not found.", errno.ENOENT),
    (404, "Workspace W has no associated groupworkspace quota set", errno.ENOENT),
    (404, "Requested file list contains zero files that belong to batch 1", errno.EIO),
    (404, "something new", errno.EINVAL),
    (403, "something new", errno.EACCES),
    (405, "something new", errno.EOPNOTSUPP),
    (500, "anything", errno.EIO),
]


@pytest.mark.parametrize(("status", "text", "number"), TEXTS, ids=[text[:30] for _, text, _ in TEXTS])
def test_refusals_by_their_texts(status: int, text: str, number: int) -> None:
    body = {"error": text, "name": "fred", "credentials": {"access_key": "hunter2"}}
    error = refusal(status, json.dumps(body).encode(), "GET")
    found = errno_of(error)
    assert errno.errorcode[found or 0] == errno.errorcode[number]
    assert "hunter2" not in str(error)


def test_what_is_no_answer_of_jdma() -> None:
    page = b"<!doctype html><html><title>hunter2</title></html>"
    for status, number in ((404, errno.EIO), (403, errno.EIO), (500, errno.EIO), (503, errno.EIO)):
        error = refusal(status, page, "batches")
        assert errno_of(error) == number
        assert "hunter2" not in str(error)
    assert isinstance(refusal(404, b"{\"error\": \"'list' object has no attribute 'first'\"}", "PUT"), AlreadyTaken)
