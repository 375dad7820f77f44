"""AYON, the production tracking server of animation and film studios, with what it publishes.

ayon+https://host/          all projects of the server, each a folder; the credential is an API key or a session token
ayon+https://ann@host/      the same with a session; the credential is the password
"""

from __future__ import annotations

import re

from assetfs.backends import Address, Backend, Option
from assetfs.backends.ayon.roots import mapping
from assetfs.repository import Repository
from assetfs.transport import TransportOptions


def _mapping(text: str) -> str:
    mapping(text)
    return text


def _site(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+", text):
        raise ValueError("site_id is made of small letters, digits and dashes")
    return text


OPTIONS = (
    Option(
        "site_id", str, None, "This machine's name as an AYON site; one made of the host name by default.", parse=_site
    ),
    Option(
        "root_map",
        str,
        None,
        "Where roots are here: work=/mnt/work,render=/mnt/render. Only these are written.",
        parse=_mapping,
    ),
    Option("site_roots", bool, True, "Read published files at the roots that the server names for this machine, too."),
    Option("media_fallback", bool, False, "Films and pictures that are not here are read from reviewables like them."),
    Option("show_inactive", bool, False, "Show projects, folders, products and so on that are not active."),
    Option(
        "store",
        str,
        "project-files",
        "Where published bytes go: project-files (the server), root (a root of root_map), both.",
        choices=("project-files", "root", "both"),
    ),
    Option("folder_type", str, None, "Type of new folders; the project's first by default."),
    Option("task_type", str, None, "Type of new tasks whose name is none; Generic or the first by default."),
    Option("product_type", str, "model", "Type of new products."),
    Option("allow_overwrite", bool, False, "Published files may be added to, replaced and renamed."),
    Option("recursive_delete", bool, False, "Removing a task, product, version or representation takes what is in it."),
    Option("delete_root_files", bool, False, "Removing a published file or workfile removes its bytes at a root."),
)


def open_repository(address: Address, options: TransportOptions) -> Repository:
    """A repository that has not asked the server anything yet."""
    from assetfs.backends.ayon.repository import AyonRepository  # only now: the options come without

    return AyonRepository(address, options)


BACKEND = Backend(
    name="ayon",
    title="AYON production tracking",
    open=open_repository,
    options=OPTIONS,
    secret_name="API key",
)
