"""How a call fails: with a code and a message in the envelope, or as PHP does when a programmer forgot something."""

from __future__ import annotations

INTERNAL, TOKEN, INVALID, DENIED, NOT_FOUND, METHOD = -100, -101, -150, -151, -154, -153
UPLOAD_FAILED, UPLOAD_TOKEN = -105, -141

NO_FOLDER = "This folder doesn't exist or you don't have the permissions."
NO_ITEM = "This item doesn't exist or you don't have the permissions."
NO_ITEM_WRITE = "This item doesn't exist or you don't have write permission."
NO_COMMUNITY = "This community doesn't exist or you don't have the permissions."
NO_USER = "Unable to find user"

FATAL_PAGE = b"The system has encountered the following error:<br/><h3>An unexpected error occurred</h3>"


class Refused(Exception):
    """The call fails with this code and message; HTTP status 200."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Fatal(Exception):
    """A PHP fatal error: HTTP status 500 and a page of HTML."""
