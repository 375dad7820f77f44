"""Titles and file names (section 8.2, rule 1). Pure.

A resource has a free title and the name that it was uploaded under. Its file name is the title, completed with the
original name's extension where the title does not end in it. What a file system cannot hold is not our business:
the texts here are the server's own.
"""

from __future__ import annotations

from assetfs.repository import NameRejected


def extension(name: str) -> str:
    """The last extension with its dot, as it is written: `.JPG` of `a.JPG`; empty for `a`, `a.`, `.jpg` and `a. b/c`.

    The server looks at the last extension only, and knows none for a name that begins with its only dot (14.11).
    """
    base = name.rsplit("/", 1)[-1]
    dot = base.rfind(".")
    return base[dot:] if 0 < dot < len(base) - 1 else ""


def file_name(title: str, original_name: str | None) -> str:
    """The name under which a resource is shown."""
    suffix = extension(original_name or "")
    if not suffix or title.lower().endswith(suffix.lower()):
        return title
    return title + suffix


def title_for(name: str, title: str, original_name: str | None) -> str:
    """The title that makes `file_name` give `name` for a resource that was uploaded as `original_name`.

    A title that goes without its extension keeps doing so (`Cherbourg by night`). Raises NameRejected for a name that
    no title leads to: the type is fixed at the upload, and so is the extension.
    """
    suffix = extension(original_name or "")
    completed = file_name(title, original_name) != title
    if completed and name.endswith(suffix):
        bare = name[: -len(suffix)]
        if file_name(bare, original_name) == name:
            return bare
    if file_name(name, original_name) == name:
        return name
    raise NameRejected(f"a file's type is fixed when it is uploaded: its name must end in {suffix}")


def check_collection_title(name: str) -> None:
    """Raise NameRejected for a title that the server would change or refuse when it makes a collection (3.8)."""
    if not name:
        raise NameRejected("a folder needs a name")
    if name.strip() != name:
        raise NameRejected("the server cuts blanks at the ends of a folder's name")
    if "\0" in name:
        raise NameRejected("a name cannot hold a NUL")
