"""Where a mount of a Jama server is not a plain folder, and why: everything else must be the same.

A difference is an errno that an operation on the mount may have where the plain folder has none; the plain folder is
then left as it is. What a difference does not name is a failure of the model test.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass


def _other_type(*names: str) -> bool:
    return os.path.splitext(names[0])[1] != os.path.splitext(names[-1])[1]


@dataclass(frozen=True)
class Difference:
    name: str
    operation: str
    error: int
    why: str
    applies: Callable[..., bool] = lambda *_: True


DIFFERENCES = (
    Difference("a type is for ever", "rename", errno.EINVAL, "the server fixes it at the upload", _other_type),
    Difference("a type is for ever", "rename over", errno.EINVAL, "the server fixes it at the upload", _other_type),
    Difference("unknown types", "create", errno.EOPNOTSUPP, "the server stores files of known types only"),
    Difference("modes", "chmod", errno.EPERM, "a repository has rights, not modes"),
    Difference("one name for all links", "link", errno.EPERM, "the title is the resource's, in all its collections"),
    Difference("one name for all links", "link", errno.EEXIST, "a resource is in a collection once"),
    Difference("titles of the dead", "rename folder", errno.EEXIST, "a deleted collection keeps its title"),
    Difference("blanks of folders", "mkdir", errno.EINVAL, "the server cuts them off", lambda n: n.strip() != n),
)

ON_THE_SERVER = {
    "empty files": "the server keeps one empty resource per project: the others stay here",
    "identical bytes": "the server keeps them once per project: the second file stays here and says so",
    "attributes of what is renamed over": "an atomic save keeps the asset's tags, not those of the temporary file",
}
"""What the server cannot have although the mount has it, or keeps although a plain folder would not."""


def explained(operation: str, error: int, *arguments: str) -> bool:
    """Whether the mount may refuse this."""
    return any(
        d.operation == operation and d.error == error and (len(arguments) == 0 or d.applies(*arguments))
        for d in DIFFERENCES
    )
