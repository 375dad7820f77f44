"""The errors of the seam, a closed family: backends raise these and nothing else. They never import errno."""

from __future__ import annotations

from assetfs.repository.node import Node


class RepositoryError(Exception):
    """The family. The message is one line for people, and says what to do where that is known; it holds no secret."""

    transient = False
    """Trying again later, unchanged, may succeed."""


class NotFound(RepositoryError):
    """The node, folder or attribute is not there (any more)."""


class Forbidden(RepositoryError):
    """The credential is good, and may not do this."""


class Fixed(Forbidden):
    """Nobody may do this, whatever the credential: it is so for ever, or in this state (EPERM)."""


class NotAuthenticated(RepositoryError):
    """The credential is missing, wrong, expired or deactivated."""


class CodeWanted(NotAuthenticated):
    """The account has a second factor: a one-time code goes with the credential, behind it and a blank."""


class Conflict(RepositoryError):
    """Somebody else's state is in the way: a name is taken, a version is newer, the same content exists."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message)
        self.node = node
        """What is in the way, where that is known."""


class SameContent(Conflict):
    """The server keeps equal bytes once, and has these already, in `node`."""


class NotEmpty(RepositoryError):
    """A folder still has entries, perhaps some that this credential cannot see."""


class NameRejected(RepositoryError):
    """The server cannot keep this name as it is."""


class ValueRejected(RepositoryError):
    """An attribute's value does not fit the server's schema."""


class TooLarge(RepositoryError):
    """The content is larger than the server takes."""


class QuotaExceeded(RepositoryError):
    """There is no room left for this credential."""


class Offline(RepositoryError):
    """The server cannot be reached: name, network, TLS, nobody listens."""

    transient = True


class Unavailable(RepositoryError):
    """The server is there and cannot answer now: 5xx, 429, too slow, cut in the middle."""

    transient = True

    def __init__(self, message: str, *, retry_after: float | None = None, timeout: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the server asked us to wait."""
        self.timeout = timeout
        """It took too long, rather than failed."""


class NotOnline(RepositoryError):
    """The content is not here now, and is being brought, or may be asked for again later."""


class NotHere(RepositoryError):
    """The content exists, and is not to be had at this place, or not without being asked for."""


class OutOfReach(RepositoryError):
    """The content is on a disk that this machine does not have."""


class NoSpace(RepositoryError):
    """There is no room for the content on this side."""


class Busy(RepositoryError):
    """Somebody is at work on it: a writer, a transfer, a lock."""


class Immutable(RepositoryError):
    """What is there can never be changed, by nobody."""


class VersionChanged(RepositoryError):
    """The server has another version of this node's content than the one asked for."""


class Unsupported(RepositoryError):
    """This repository cannot do that, and never could."""


class CrossScope(Unsupported):
    """Cannot be done between these two places (projects, destinations); copying works."""


class ProtocolViolation(RepositoryError):
    """The server answered something that the protocol does not have, or bytes that do not fit their digest."""
