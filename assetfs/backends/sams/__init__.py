"""SAMS, Superdesk's asset management store, over its REST interface.

sams+https://host/          all sets of the server, each a folder
"""

from __future__ import annotations

from assetfs.backends import Address, Backend, Option
from assetfs.repository import Repository
from assetfs.transport import TransportOptions

POLL = 15.0
"""Seconds between two questions of what others changed, where nobody says otherwise."""

OPTIONS = (
    Option("destination", str, None, "Storage destination of new sets; needed where the server has several."),
    Option("user_id", str, None, "Who changes are recorded for (external_user_id); the user in the URL by default."),
    Option(
        "locks",
        str,
        "honour",
        "Locks of assets: off does not look at them, honour refuses changes of what others locked, take locks besides "
        "what is open for writing.",
        choices=("honour", "off", "take"),
    ),
    Option("poll", float, POLL, "How often the server is asked what others changed, in seconds; 0 for never."),
    Option("create_renditions", bool, False, "Let .renditions/640x640/a.jpg make a picture of that size."),
    Option("new_extra", bool, False, "Let attributes make keys of `extra` that an asset does not have."),
)


def open_repository(address: Address, options: TransportOptions) -> Repository:
    """A repository that has not asked the server anything yet."""
    from assetfs.backends.sams.repository import SamsRepository  # only now: the options come without

    return SamsRepository(address, options)


BACKEND = Backend(
    name="sams",
    title="Superdesk Asset Management Store",
    open=open_repository,
    options=OPTIONS,
    needs_secret=False,
    secret_name="API key",
)
