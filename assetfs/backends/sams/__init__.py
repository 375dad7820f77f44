"""SAMS, Superdesk's asset management store, over its REST interface.

sams+https://host/          all sets of the server, each a folder
"""

from __future__ import annotations

from assetfs.backends import Address, Backend, Option
from assetfs.backends.sams.repository import SamsRepository
from assetfs.transport import TransportOptions

OPTIONS = (
    Option("destination", str, None, "Storage destination of new sets; needed where the server has several."),
    Option("user_id", str, None, "Who changes are recorded for (external_user_id); the user in the URL by default."),
    Option(
        "locks",
        str,
        "honour",
        "What another user's lock on an asset means: honour refuses changes, off does not look at it.",
        choices=("honour", "off"),
    ),
    Option("new_extra", bool, False, "Let attributes make keys of `extra` that an asset does not have."),
)


def open_repository(address: Address, options: TransportOptions) -> SamsRepository:
    """A repository that has not asked the server anything yet."""
    return SamsRepository(address, options)


BACKEND = Backend(
    name="sams",
    title="Superdesk Asset Management Store",
    open=open_repository,
    options=OPTIONS,
    needs_secret=False,
    secret_name="API key",
)
