"""What a file system refuses by its own rules, beside `repository/errors.py`. Only `fuse/` makes errnos of it."""

from __future__ import annotations


class VfsError(Exception):
    """The family. The message is for the log."""


class NotAFolder(VfsError):
    """A name below something that is no folder."""


class IsAFolder(VfsError):
    """A folder where a file was needed."""


class ReadOnly(VfsError):
    """The mount, or this part of it, takes no changes."""


class NotPermitted(VfsError):
    """Nobody may do that here, whatever the credential."""


class NoAttribute(VfsError):
    """There is no extended attribute of this name."""


class AttributeExists(VfsError):
    """The extended attribute was to be created and is there."""


class NotSupported(VfsError):
    """Such attributes or operations do not exist here."""


class NameTooLong(VfsError):
    """More bytes than a name may have."""


class TooBig(VfsError):
    """A value that no extended attribute can hold."""


class InvalidArgument(VfsError):
    """A combination that makes no sense."""


class BadHandle(VfsError):
    """Not open, or not for this."""


class TimedOut(VfsError):
    """The deadline of one operation has passed."""
