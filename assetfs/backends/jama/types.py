"""Which files the server takes: a table of extensions, read once per mount (section 5.4).

A file of a type that is not in it is refused only after all its bytes were sent, and they stay on the server's disk:
so it is refused here, before the first.
"""

from __future__ import annotations

from collections.abc import Iterable

from assetfs.backends.jama.names import extension
from assetfs.backends.jama.wire import FileType
from assetfs.repository import Unsupported


class FileTypes:
    """Extensions, lower-case and without a dot, to MIME types. None known: everything is let through."""

    def __init__(self, types: Iterable[FileType] = ()) -> None:
        self._mimes = {suffix.lstrip(".").lower(): entry.mime for entry in types for suffix in entry.extensions}

    def __len__(self) -> int:
        return len(self._mimes)

    def admit(self, name: str) -> None:
        """Raise Unsupported when the server would refuse a file of this name."""
        suffix = extension(name)
        if not suffix:
            raise Unsupported("the server tells a file's type by its extension, and this name has none")
        if self._mimes and suffix[1:].lower() not in self._mimes:
            raise Unsupported(f"the server does not know files of type {suffix}")

    def mime(self, name: str) -> str | None:
        """The type that the server will give a file of this name; None where that is not known."""
        return self._mimes.get(extension(name)[1:].lower()) or None
