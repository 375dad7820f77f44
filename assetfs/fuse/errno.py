"""The one place that knows errnos: a table from errors to what the kernel is told.

The most special class in an error's ancestry that stands in the table counts. What is not in it is a fault of ours:
it is logged with an id, and the caller gets EIO.
"""

from __future__ import annotations

import errno

from assetfs import repository
from assetfs.vfs import errors

ERRNO: dict[type[BaseException], int] = {
    repository.NotFound: errno.ENOENT,
    repository.Forbidden: errno.EACCES,
    repository.Fixed: errno.EPERM,
    repository.NotAuthenticated: errno.EACCES,
    repository.Conflict: errno.EEXIST,
    repository.NotEmpty: errno.ENOTEMPTY,
    repository.NameRejected: errno.EINVAL,
    repository.ValueRejected: errno.EINVAL,
    repository.TooLarge: errno.EFBIG,
    repository.QuotaExceeded: errno.EDQUOT,
    repository.Offline: errno.EHOSTUNREACH,
    repository.Unavailable: errno.EIO,
    repository.NotOnline: errno.EAGAIN,
    repository.NotHere: errno.ENODATA,
    repository.OutOfReach: errno.EREMOTE,
    repository.NoSpace: errno.ENOSPC,
    repository.Busy: errno.EBUSY,
    repository.Immutable: errno.EROFS,
    repository.VersionChanged: errno.ESTALE,
    repository.CrossScope: errno.EXDEV,
    repository.Unsupported: errno.EOPNOTSUPP,
    repository.ProtocolViolation: errno.EIO,
    errors.NotAFolder: errno.ENOTDIR,
    errors.IsAFolder: errno.EISDIR,
    errors.ReadOnly: errno.EROFS,
    errors.NotPermitted: errno.EPERM,
    errors.NoAttribute: errno.ENODATA,
    errors.AttributeExists: errno.EEXIST,
    errors.NotSupported: errno.EOPNOTSUPP,
    errors.NameTooLong: errno.ENAMETOOLONG,
    errors.TooBig: errno.E2BIG,
    errors.InvalidArgument: errno.EINVAL,
    errors.BadHandle: errno.EBADF,
    errors.TimedOut: errno.ETIMEDOUT,
}


def errno_of(error: BaseException) -> int | None:
    """The errno for an error of ours; None for one that nobody expected."""
    if isinstance(error, repository.Unavailable) and error.timeout:
        return errno.ETIMEDOUT
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno  # the disk under the staging folder
    return next((ERRNO[cls] for cls in type(error).__mro__ if cls in ERRNO), None)
