"""A depot: a folder on a disk as a repository, with everything that the seam has and few servers have together.

The folder stands for the server. Whoever changes it with ordinary programs is somebody else.

    tree/           folders, files and symbolic links; an extended attribute on each keeps its id
    shared/         a disk of the house, on which content lies that the server only names
    tape/, stage/   content that is not online, and copies of it that a robot has fetched
    events.jsonl    what has happened, one JSON object a line; `events.down` cuts the stream
    accepted/       says of commits that take their time how they have ended
    drafts/         where drafts lie, with the option `drafts_here`
"""

from __future__ import annotations

from pathlib import Path

from assetfs.backends import Backend, Option
from tests.example.repository import Depot

BACKEND = Backend(
    name="depot",
    title="A folder on a disk",
    open=Depot,
    needs_secret=False,
    options=(
        Option("folder", Path, None, "The depot's folder."),
        Option("recall", str, "fail", "What opening an offline file does.", None, ("fail", "wait", "manual")),
        Option("recall_wait", float, 3600.0, "Seconds that a read waits for it."),
        Option("drafts_here", bool, False, "Drafts lie in the depot's folder."),
        Option("idle", float, 0.0, "Seconds after which drafts are committed by themselves; 0: never."),
    ),
)
