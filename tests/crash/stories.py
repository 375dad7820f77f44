"""What people do while the daemon dies: stories of a few steps, each with what the folder holds after it.

A tree is names to contents; `name@attribute` is an extended attribute's value. A step is acknowledged when its calls
have returned; a step that the death broke off may have been done or not, and nothing between the two (but for what
the step itself says).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Tree = dict[str, bytes]
TAGS = "user.jama.tags"


@dataclass(frozen=True)
class Step:
    """`tree` is what is there when it is done; `between` is what else may be there when it was broken off."""

    act: Callable[[Path], object]
    tree: Tree
    between: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Story:
    """`seeds` are on the server before; names that match `here` need not be on the server; `same` keep their id."""

    seeds: Tree
    steps: list[Step]
    here: frozenset[str] = frozenset()
    same: Mapping[str, str] = field(default_factory=dict)
    """Names at the end, to the seed whose id each must have."""
    undone: Mapping[str, str] = field(default_factory=dict)
    """Names that the server refuses, to those that the files then have again: a type is fixed by its extension."""


def content(case: str, what: str, size: int = 3000) -> bytes:
    """Bytes that are nowhere else, and no two of whose blocks are alike."""
    return f"{case} {what}\n".encode() + random.Random(f"{case} {what}").randbytes(size)


def save(folder: Path, name: str, data: bytes, *, sync: bool = False, piece: int = 1 << 20) -> None:
    """Write a file as programs do: in pieces, perhaps with fsync, and close it."""
    with open(folder / name, "wb", buffering=0) as file:
        for at in range(0, len(data), piece):
            file.write(data[at : at + piece])
        if sync:
            os.fsync(file.fileno())


def patch(folder: Path, name: str, at: int, data: bytes) -> None:
    with open(folder / name, "r+b", buffering=0) as file:
        file.seek(at)
        file.write(data)


def new_file(case: str) -> Story:
    """A new file, closed."""
    data = content(case, "new")
    return Story({}, [Step(lambda f: save(f, "new.txt", data, piece=1000), {"new.txt": data})])


def synced_file(case: str) -> Story:
    """A new file, with fsync before close, and then more."""
    data, more = content(case, "synced"), content(case, "more")

    def act(folder: Path) -> None:
        save(folder, "synced.txt", data, sync=True)

    def append(folder: Path) -> None:
        with open(folder / "synced.txt", "ab", buffering=0) as file:
            file.write(more)
            os.fsync(file.fileno())

    return Story({}, [Step(act, {"synced.txt": data}), Step(append, {"synced.txt": data + more})])


def large_file(case: str) -> Story:
    """Several chunks."""
    data = content(case, "large", 3 << 20)
    return Story({}, [Step(lambda f: save(f, "large.bin", data), {"large.bin": data})])


def replaced(case: str) -> Story:
    """New content for what the server has."""
    old, new = content(case, "old"), content(case, "new", 5000)
    return Story({"a.txt": old}, [Step(lambda f: save(f, "a.txt", new), {"a.txt": new})], same={"a.txt": "a.txt"})


def replaced_twice(case: str) -> Story:
    """Saved again while the first save is on its way: the first stays until the second is acknowledged."""
    old, one, two = (content(case, what, 4000) for what in ("old", "one", "two"))
    steps = [
        Step(lambda f: save(f, "a.txt", one), {"a.txt": one}),
        Step(lambda f: save(f, "a.txt", two, piece=1000), {"a.txt": two}),
    ]
    return Story({"a.txt": old}, steps, same={"a.txt": "a.txt"})


def patched(case: str) -> Story:
    """A few bytes in the middle of what the server has: the rest is the server's."""
    old = content(case, "old", 300_000)
    new = old[:1000] + b"PATCHED " + case.encode() + old[1008 + len(case.encode()) :]
    longer = new + b"and more"
    steps = [
        Step(lambda f: patch(f, "a.bin", 1000, b"PATCHED " + case.encode()), {"a.bin": new}),
        Step(lambda f: patch(f, "a.bin", len(new), b"and more"), {"a.bin": longer}),
    ]
    return Story({"a.bin": old}, steps, same={"a.bin": "a.bin"})


def atomic(case: str) -> Story:
    """A temporary file renamed over an asset: LibreOffice, rsync, everybody careful."""
    old, new = content(case, "old"), content(case, "new")
    steps = [
        Step(lambda f: save(f, ".a.txt.x7Gq2P", new, sync=True), {"a.txt": old, ".a.txt.x7Gq2P": new}),
        Step(lambda f: os.replace(f / ".a.txt.x7Gq2P", f / "a.txt"), {"a.txt": new}),
    ]
    return Story({"a.txt": old}, steps, frozenset({".a.txt.x7Gq2P"}), {"a.txt": "a.txt"})


def atomic_again(case: str) -> Story:
    """The same over a file whose last save is not on the server yet."""
    old, one, two = content(case, "old"), content(case, "one"), content(case, "two")
    steps = [
        Step(lambda f: save(f, "a.txt", one), {"a.txt": one}),
        Step(lambda f: save(f, "a.txt.tmp", two), {"a.txt": one, "a.txt.tmp": two}),
        Step(lambda f: os.replace(f / "a.txt.tmp", f / "a.txt"), {"a.txt": two}),
    ]
    return Story({"a.txt": old}, steps, frozenset({"a.txt.tmp"}), {"a.txt": "a.txt"})


def vim(case: str) -> Story:
    """The original becomes a backup, a new file takes its name, the backup goes."""
    old, new = content(case, "old"), content(case, "new")
    taken: Tree = {"a.txt": old, "a.txt~": old}
    steps = [
        Step(lambda f: os.rename(f / "a.txt", f / "a.txt~"), {"a.txt~": old}),
        Step(lambda f: save(f, "a.txt", new, sync=True), {"a.txt": new, "a.txt~": old}, (taken, {"a.txt": old})),
        Step(lambda f: os.unlink(f / "a.txt~"), {"a.txt": new}),
    ]
    return Story({"a.txt": old}, steps, frozenset({"a.txt~"}), {"a.txt": "a.txt"}, {"a.txt~": "a.txt"})


def renamed_queued(case: str) -> Story:
    """Another name for what waits for its upload, or is on its way."""
    data = content(case, "data")
    steps = [
        Step(lambda f: save(f, "draft.txt", data), {"draft.txt": data}),
        Step(lambda f: os.rename(f / "draft.txt", f / "final.txt"), {"final.txt": data}),
    ]
    return Story({}, steps)


def renamed(case: str) -> Story:
    """Another name for what the server has, once with new content on its way."""
    old, new = content(case, "old"), content(case, "new")
    steps = [
        Step(lambda f: os.rename(f / "a.txt", f / "b.txt"), {"b.txt": old}),
        Step(lambda f: save(f, "b.txt", new), {"b.txt": new}),
        Step(lambda f: os.rename(f / "b.txt", f / "c.txt"), {"c.txt": new}),
    ]
    return Story({"a.txt": old}, steps, same={"c.txt": "a.txt"})


def unlinked(case: str) -> Story:
    """Deleted: one that waits for its upload, one that the server has, one with new content on its way."""
    old, kept, new, late = (content(case, what) for what in ("old", "kept", "new", "late"))
    steps = [
        Step(lambda f: save(f, "new.txt", new), {"a.txt": old, "b.txt": kept, "new.txt": new}),
        Step(lambda f: os.unlink(f / "new.txt"), {"a.txt": old, "b.txt": kept}),
        Step(lambda f: os.unlink(f / "a.txt"), {"b.txt": kept}),
        Step(lambda f: save(f, "b.txt", late), {"b.txt": late}),
        Step(lambda f: os.unlink(f / "b.txt"), {}),
    ]
    return Story({"a.txt": old, "b.txt": kept}, steps)


def described(case: str, attribute: str = TAGS) -> Story:
    """Tags: on a file before its upload, and on what the server has."""
    data, old = content(case, "data"), content(case, "old")
    tag, other = f"{case}-one".encode(), f"{case}-two".encode()
    first: Tree = {"a.txt": old, "new.txt": data}
    second: Tree = {**first, f"new.txt@{attribute}": tag}
    steps = [
        Step(lambda f: save(f, "new.txt", data), first),
        Step(lambda f: os.setxattr(f / "new.txt", attribute, tag), second),
        Step(lambda f: os.setxattr(f / "a.txt", attribute, other), {**second, f"a.txt@{attribute}": other}),
    ]
    return Story({"a.txt": old}, steps, same={"a.txt": "a.txt"})


def several(case: str) -> Story:
    """A folder is copied in: many files, several on their way at once."""
    data = {f"{number}.txt": content(case, f"file {number}") for number in range(6)}
    names = list(data)
    steps = [
        Step(lambda f, n=name: save(f, n, data[n]), {n: data[n] for n in names[: index + 1]})  # type: ignore[misc]
        for index, name in enumerate(names)
    ]
    return Story({}, steps)


def local_only(case: str) -> Story:
    """Droppings stay here, and become real with a real name."""
    swap, data = content(case, "swap"), content(case, "data")
    steps = [
        Step(lambda f: save(f, ".a.txt.swp", swap), {".a.txt.swp": swap}),
        Step(lambda f: save(f, "scan.part", data), {".a.txt.swp": swap, "scan.part": data}),
        Step(lambda f: os.rename(f / "scan.part", f / "scan.txt"), {".a.txt.swp": swap, "scan.txt": data}),
    ]
    return Story({}, steps, frozenset({".a.txt.swp", "scan.part"}))


def shortened(case: str) -> Story:
    """Cut, lengthened, and cut again: truncate(2) and ftruncate(2)."""
    old = content(case, "old", 9000)
    steps = [
        Step(lambda f: os.truncate(f / "a.txt", 5000), {"a.txt": old[:5000]}),
        Step(lambda f: os.truncate(f / "a.txt", 6000), {"a.txt": old[:5000] + bytes(1000)}),
        Step(
            lambda f: patch(f, "a.txt", 5500, b"in the hole"),
            {"a.txt": old[:5000] + bytes(500) + b"in the hole" + bytes(489)},
        ),
    ]
    return Story({"a.txt": old}, steps, same={"a.txt": "a.txt"})


STORIES: tuple[Callable[[str], Story], ...] = (
    new_file, synced_file, large_file, replaced, replaced_twice, patched, atomic, atomic_again, vim, renamed_queued,
    renamed, unlinked, described, several, local_only, shortened,
)  # fmt: skip
