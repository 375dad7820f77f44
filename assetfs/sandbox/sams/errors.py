"""Refusals, in the three shapes that the server has for them: its own, the framework's, and the framework's for
documents that cannot be inserted.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

# code: (name, HTTP status, text)
TABLE = {
    "04001": ("ValidationError", 400, "Validation error"),
    "04002": ("InvalidSearchQuery", 400, "Invalid search query"),
    "04003": ("AuthNotSupplied", 401, "Please provide proper credentials"),
    "05001": ("NotFound", 404, 'Destination "{}" not registered with the system'),
    "07001": ("InvalidStateTransition", 400, 'Cannot change state from "{}" to draft'),
    "07002": ("DestinationChangeNotAllowed", 400, "Destination can only be changed in draft state"),
    "07003": ("DestinationConfigChangeNotAllowed", 400, "Destination config can only be changed in draft state"),
    "07004": ("DestinationNotFound", 400, 'Destination "{}" isnt configured'),
    "07005": (
        "CannotDeleteActiveSet",
        400,
        "Can only delete Sets that are in draft state or disabled with no assets",
    ),
    "07006": ("SetNotFound", 400, "Set with id {} not found"),
    "08001": ("BinaryNotSupplied", 400, "Asset must contain a binary to upload"),
    "08002": ("AssetNotFound", 404, 'Asset with id "{}" not found'),
    "08003": ("AssetUploadToInactiveSet", 400, "Asset upload is not allowed to an inactive Set"),
    "08004": ("AssetExceedsMaximumSizeForSet", 400, "Asset size ({}) exceeds the maximum size for the Set ({})"),
    "08005": ("ExternalUserIdNotFound", 400, "External User ID not found"),
    "08006": ("ExternalSessionIdNotFound", 400, "External Session ID not found"),
    "08007": ("ExternalUserIdDoNotMatch", 400, "External User ID does not match"),
    "08008": ("ExternalSessionIdDoNotMatch", 400, "External Session ID does not match"),
    "08009": ("LockingAssetLocked", 400, "Can not Lock asset which is already locked"),
    "08010": ("UnlockingAssetUnlocked", 400, "Can not Unlock asset which is already unlocked"),
    "10001": (
        "RenditionDimensionsNotProvided",
        400,
        "Image Rendition requested without supplying a width and/or height",
    ),
}
FRAMEWORK = {
    400: "The browser (or proxy) sent a request that this server could not understand.",
    404: "The requested URL was not found on the server. If you entered the URL manually please check your spelling"
    " and try again.",
    405: "The method is not allowed for the requested URL.",
    409: "A conflict happened while processing the request. The resource might have been modified while the request"
    " was being processed.",
    412: "Client and server etags don't match",
    428: "To edit a document its etag must be provided using the If-Match header",
    500: "The server encountered an internal error and was unable to complete your request. Either the server is"
    " overloaded or there is an error in the application.",
}


class Refused(Exception):
    """An answer that is no success. With `keep`, what was written before it stays written."""

    def __init__(self, status: int, body: dict[str, Any], *, keep: bool = False) -> None:
        super().__init__(body)
        self.status = status
        self.body = json.dumps(body).encode()
        self.keep = keep


def refused(code: str, *values: object, keep: bool = False, **more: Any) -> Refused:
    """A refusal of the server's own."""
    name, status, text = TABLE[code]
    return Refused(status, {"error": code, "name": name, "description": text.format(*values), **more}, keep=keep)


def invalid(errors: dict[str, list[Any]]) -> Refused:
    """Fields that fail the schema, each with its complaints."""
    return refused("04001", errors=errors)


def crashed(text: object) -> Refused:
    """What the server says when its code raised something: the exception's text."""
    return Refused(500, {"error": "01001", "name": "UnknownError", "description": str(text)})


def framework(status: int, text: str | None = None) -> Refused:
    """A refusal of the web framework."""
    phrase = HTTPStatus(status).phrase
    return Refused(status, {"error": f"03{status}", "name": phrase, "description": text or FRAMEWORK[status]})


def not_changed(issues: dict[str, str]) -> Refused:
    """The framework's answer to a change whose shape it does not take."""
    return Refused(400, {"_issues": issues, "_status": "ERR"})


def not_inserted(issues: dict[str, str]) -> Refused:
    """The framework's answer to a document whose shape it does not take."""
    message = "Insertion failure: 1 document(s) contain(s) error(s)"
    return Refused(400, {"_status": "ERR", "_issues": issues, "_error": {"code": 400, "message": message}})
