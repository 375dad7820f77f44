"""Jama, the media repository of CERTIC (Université de Caen Normandie), over its JSON-RPC endpoint.

jama+https://host/rpc/          all projects of an API key, each a folder
… with project=Herbier          that project as the root
"""

from __future__ import annotations

from assetfs.backends import Address, Backend, Option
from assetfs.repository import Repository
from assetfs.transport import TransportOptions

OPTIONS = (
    Option(
        "dialect",
        str,
        "auto",
        "The server's protocol: with projects, classic (2018 to 2021, without), or found out by asking.",
        choices=("auto", "project", "classic"),
    ),
    Option("project", str, None, "Mount one project, by its label or id, instead of a folder for each."),
    Option("create_fields", bool, False, "Make metadata sets and fields that do not exist when an attribute is set."),
    Option(
        "public_urls",
        bool,
        False,
        "Show the URLs that need no key (user.jama.url.serve, .download_public) among the attributes.",
    ),
)


def open_repository(address: Address, options: TransportOptions) -> Repository:
    """A repository that has not asked the server anything yet."""
    from assetfs.backends.jama.repository import JamaRepository  # only now: the options come without

    return JamaRepository(address, options)


BACKEND = Backend(
    name="jama",
    title="Jama media repository",
    open=open_repository,
    options=OPTIONS,
    secret_name="API key",
)
