"""Midas Server, Kitware's store for research data, over its web API (version 3).

midas+https://ann%40example.org@host/midas     communities, and the user's own folders
"""

from __future__ import annotations

from assetfs.backends import Address, Backend, Option
from assetfs.backends.midas.nodes import AUTO, DIR, FETCH, FILE, REFUSE, SYMLINK
from assetfs.repository import Repository
from assetfs.transport import TransportOptions

REVISION, REPLACE = "revision", "replace"
"""What a new content becomes: `overwrite`. The first is also what it becomes over somebody else's: `conflict`."""
BESIDE = "beside"
EPERM, PRIVACY = "eperm", "privacy"
"""What chmod does: `chmod`."""

OPTIONS = (
    Option("appname", str, "Default", "The application name that the API key belongs to."),
    Option("time_zone", str, "UTC", "The server's time zone (its setting time_zone): its dates do not say."),
    Option(
        "items",
        str,
        AUTO,
        "What an item is here: a file, or a folder where it has several files (auto); always a folder with its files"
        " (dir); always a file, a zip where it has several (file).",
        choices=(AUTO, DIR, FILE),
    ),
    Option(
        "overwrite",
        str,
        REVISION,
        "New content makes a new revision (revision), or takes the old one's place in the newest (replace).",
        choices=(REVISION, REPLACE),
    ),
    Option(
        "conflict",
        str,
        BESIDE,
        "What becomes of a save when somebody else has saved meanwhile: a file beside theirs (beside), a revision"
        " behind theirs, which stays in the history (revision), or an upload that fails (refuse).",
        choices=(BESIDE, REVISION, REFUSE),
    ),
    Option(
        "links",
        str,
        SYMLINK,
        "What an item is that is a web address: a symbolic link to it (symlink), a file that cannot be read (refuse),"
        " or a file with what is there (fetch).",
        choices=(SYMLINK, REFUSE, FETCH),
    ),
    Option(
        "chmod",
        str,
        EPERM,
        "Whether the right of others to read is what the server calls Public, is shown and can be changed (privacy), or"
        " a mode cannot be changed (eperm).",
        choices=(EPERM, PRIVACY),
    ),
)


def open_repository(address: Address, options: TransportOptions) -> Repository:
    """A repository that has not asked the server anything yet."""
    from assetfs.backends.midas.repository import MidasRepository  # only now: the options come without

    return MidasRepository(address, options)


BACKEND = Backend(
    name="midas",
    title="Midas Server",
    open=open_repository,
    options=OPTIONS,
    secret_name="API key or password",
    anonymous=True,
)
