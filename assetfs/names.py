"""Names: from a server's text to what a file system can hold, and back. Pure: no I/O, no state.

Two steps, always in this order:

1. `encode` percent-encodes what a file name cannot hold. It is reversible (`decode`), except that the empty name shows
   as `untitled`.
2. `assign` gives each sibling of one folder a name of its own. The result depends on the set of siblings only, never
   on their order: folders first, then the lowest label (shorter first, so that 9 comes before 10) keeps the plain name,
   the others show as `stem~<label>.ext`. Names over 255 bytes are cut before the extension and end in `~<label>`.

Every sibling also answers to its decorated name, whether or not it shows so (`resolve`).
No local path is ever built from these names.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

LIMIT = 255
"""Bytes in a name that Linux file systems and the kernel's own checks agree on."""

EXTENSION_LIMIT = 32
"""Bytes; a longer "extension" is a sentence with a full stop in it, and is cut with the rest."""

# Control characters, the slash, a percent sign that would read as an escape, and surrogates that stand for no byte.
_ESCAPED = re.compile(r"[\x00-\x1f\x7f/]|%(?=[0-9A-Fa-f]{2})|[\ud800-\udc7f\udd00-\udfff]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_WHOLE = {"": b"untitled", ".": b"%2E", "..": b"%2E%2E"}


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def encode(raw: str) -> bytes:
    """The bytes that stand for a server's name: never empty, `.` or `..`, no slash, NUL or control character."""
    if (whole := _WHOLE.get(raw)) is not None:
        return whole
    if _ESCAPED.search(raw):
        raw = _ESCAPED.sub(_percent, raw)
    return raw.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    """The server's text that `encode` made this of. Bytes that are no UTF-8 come as surrogate escapes; those of a lone
    surrogate are one only where an escape says so, or else a name that somebody typed would show as another."""
    plain = _ESCAPE.sub(lambda m: bytes([int(m[1], 16)]), name)
    try:
        return plain.decode("utf-8", "strict" if plain == name else "surrogatepass")
    except UnicodeDecodeError:
        return plain.decode("utf-8", "surrogateescape")


def split(name: bytes) -> tuple[bytes, bytes]:
    """Stem and extension (with its dot). A leading dot starts no extension."""
    dot = name.rfind(b".")
    if dot <= 0 or len(name) - dot > EXTENSION_LIMIT:
        return name, b""
    return name[:dot], name[dot:]


def decorate(name: bytes, label: str, tildes: int = 1) -> bytes:
    """`stem~<label>.ext`, at most LIMIT bytes: the stem is cut at a character boundary and never inside an escape."""
    stem, extension = split(name)
    tail = b"~" * tildes + label.encode() + extension
    return _cut(stem, LIMIT - len(tail)) + tail


def _cut(stem: bytes, room: int) -> bytes:
    if len(stem) <= room:
        return stem
    end = max(room, 0)
    while end and stem[end] & 0xC0 == 0x80:
        end -= 1
    for back in (1, 2):
        if end >= back and _ESCAPE.match(stem, end - back):
            return stem[: end - back]
    return stem[:end]


class Sibling(NamedTuple, Generic[T]):
    """One entry of a folder: its server name, its label, whether it is a folder, and the node behind it."""

    name: str
    label: str
    folder: bool
    always: bool
    """All siblings of this name are decorated when there are several; none keeps the plain name."""
    node: T


def _order(sibling: Sibling[T]) -> tuple[bool, int, str]:
    return (not sibling.folder, len(sibling.label), sibling.label)


class Names(Generic[T]):
    """The names of one folder: a mapping from shown name to node, which also resolves decorated names."""

    def __init__(self, shown: dict[bytes, T], crowds: Mapping[bytes, list[Sibling[T]]], labels: Mapping[bytes, str]):
        self.shown = shown
        self._crowds = crowds
        self._labels = labels

    def resolve(self, name: bytes) -> T | None:
        """The node that answers to a name, shown or decorated."""
        node = self.shown.get(name)
        if node is not None or b"~" not in name:
            return node
        stem, extension = split(name)
        stem, _, label = stem.rpartition(b"~")
        for sibling in self._crowds.get(stem + extension, ()):
            if sibling.label.encode() == label:
                return sibling.node
        if self._labels.get(stem + extension, "").encode() == label:
            return self.shown.get(stem + extension)
        return None


def assign(siblings: Iterable[Sibling[T]], taken: Container[bytes] = ()) -> Names[T]:
    """Give every sibling its own name; the plain names in `taken` are somebody else's. Labels tell nodes of one kind
    apart; two with the same name, kind and label are the same entry listed twice, and the later one wins."""
    groups: dict[bytes, list[Sibling[T]]] = {}
    for sibling in siblings:
        groups.setdefault(encode(sibling.name), []).append(sibling)
    shown: dict[bytes, T] = {}
    labels: dict[bytes, str] = {}
    crowds: dict[bytes, list[Sibling[T]]] = {}
    decorated: list[tuple[bytes, Sibling[T]]] = []
    for name, group in groups.items():
        if len(group) > 1:
            unique = {_order(s): s for s in group}
            group = [unique[key] for key in sorted(unique)]
            crowds[name] = group
        free = len(name) <= LIMIT and name not in taken
        plain = group[0] if free and not (len(group) > 1 and group[0].always) else None
        if plain is not None:
            shown[name] = plain.node
            labels[name] = plain.label
        decorated += [(name, s) for s in group if s is not plain]
    decorated.sort(key=lambda pair: (pair[0], _order(pair[1])))
    for name, sibling in decorated:
        tildes = 1
        while (candidate := decorate(name, sibling.label, tildes)) in shown:
            tildes += 1
        shown[candidate] = sibling.node
    return Names(shown, crowds, labels)
