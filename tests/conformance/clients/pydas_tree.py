"""A tree of files between pydas 0.3.6 and a drive: what the one has written, the other reads.

`tree` and `sums.json` (SHA-256 by path) are in the working directory. pydas does not undo the server's double encoding
of text, so names of folders arrive as they were sent.
"""

import hashlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

sys.path.append(next(iter(importlib.util.find_spec("pydas").submodule_search_locations)))
time.sleep = lambda seconds: None

from pydas import api  # noqa: E402

facts = json.loads(sys.argv[2])
HOME = "/users/" + facts["name"].replace(" ", "_")


def plain(path):
    return str(path).encode("latin-1", "surrogateescape").decode("utf-8")


def check_a_tree_that_a_drive_has_written():
    api.login(email=facts["email"], password=facts["password"], url=facts["url"])
    os.mkdir("pydas-out")
    api.download(HOME + "/Private/by the drive", local_path="pydas-out")
    top = Path("pydas-out/by the drive")
    found = {}
    for path in top.rglob("*"):
        if path.is_file():
            found[plain(path.relative_to(top))] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found == json.loads(Path("sums.json").read_text()), sorted(found)[:5]


def check_a_tree_for_a_drive_to_read():
    api.login(email=facts["email"], password=facts["password"], url=facts["url"])
    os.rename("tree", "by pydas")
    api.upload("by pydas", destination=HOME + "/Private")


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"]()
