"""The overlay: what was done here is seen at once, and a listing that knows of it ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from assetfs.repository import Kind, Node
from assetfs.writeback.journal import Entry
from assetfs.writeback.overlay import FOREVER, Overlay
from assetfs.writeback.staging import Staged

names = st.sampled_from([b"a", b"b", b"c"])


def node(number: int, name: bytes) -> Node:
    return Node(id=f"r{number}", kind=Kind.FILE, name=name.decode(), label=str(number))


def staged(number: int, name: bytes) -> Staged:
    return Staged(Entry(number=number, parent="c1", name=name), Path("/none"), cast(Any, None))


class Folder(RuleBasedStateMachine):
    """One folder: `server` is what the server has, `here` what a person sees. Listings tell the server's state of the
    moment when they were begun, and come later."""

    def __init__(self) -> None:
        super().__init__()
        self.overlay = Overlay()
        self.time = 0.0
        self.numbers = 0
        self.server: dict[bytes, Node] = {}
        self.listing: dict[bytes, Node] = {}
        self.begun = 0.0
        self.on_its_way: tuple[float, dict[bytes, Node]] | None = None
        self.ours: dict[bytes, Staged] = {}

    def now(self) -> float:
        self.time += 1
        return self.time

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    @rule()
    def begin_listing(self) -> None:
        self.on_its_way = (self.now(), dict(self.server))

    @rule()
    def listing_comes(self) -> None:
        if self.on_its_way is not None:
            self.begun, self.listing = self.on_its_way
            self.on_its_way = None
            self.overlay.listed("c1", self.begun)

    @rule(name=names)
    def write_a_new_file(self, name: bytes) -> None:
        if name not in self.ours and name not in self.server:
            self.ours[name] = staged(self.number(), name)
            self.overlay.place("c1", name, self.ours[name])

    @rule(name=names)
    def it_is_uploaded(self, name: bytes) -> None:
        if name in self.ours:
            del self.ours[name]
            self.overlay.lift("c1", name)
            self.server[name] = node(self.number() + 1000, name)
            self.overlay.appear("c1", name, self.server[name], self.now())

    @rule(name=names)
    def unlink(self, name: bytes) -> None:
        if name in self.ours:
            del self.ours[name]
            self.overlay.lift("c1", name)
        elif name in self.server:
            self.overlay.vanish("c1", self.server.pop(name).id, self.now())

    @rule(name=names, other=names)
    def rename_what_the_server_has(self, name: bytes, other: bytes) -> None:
        if name in self.server and other not in self.server and other not in self.ours:
            moved = self.server[other] = self.server.pop(name)
            now = self.now()
            self.overlay.vanish("c1", moved.id, now)
            self.overlay.appear("c1", other, moved, now)

    @invariant()
    def people_see_what_they_did(self) -> None:
        wanted = {name: file.id for name, file in self.server.items()}
        wanted.update((name, file.id) for name, file in self.ours.items())
        merged = self.overlay.merge("c1", list(self.listing.items()), self.begun)
        assert len(merged) == len(wanted)
        assert {name: found.id for name, found in merged} == wanted
        for name, file in self.ours.items():
            assert self.overlay.find("c1", name) is file
            assert self.overlay.name_of("c1", file.id) == name


TestFolder = Folder.TestCase
TestFolder.settings = settings(max_examples=50, stateful_step_count=30, deadline=None, derandomize=True)


def test_a_name_of_ours_hides_somebody_elses_which_shows_decorated() -> None:
    overlay = Overlay()
    overlay.place("c1", b"a.txt", staged(1, b"a.txt"))
    merged = overlay.merge("c1", [(b"a.txt", node(7, b"a.txt"))], 0.0)
    assert [(name, found.id) for name, found in merged] == [(b"a~7.txt", "r7"), (b"a.txt", "local:1")]


def test_what_a_broken_off_upload_has_made_is_not_shown_beside_it() -> None:
    overlay, file = Overlay(), staged(1, b"a.txt")
    file.entry.ledger = {"begun": True}
    overlay.place("c1", b"a.txt", file)
    merged = overlay.merge("c1", [(b"a.txt", node(7, b"a.txt"))], 0.0)
    assert [(name, found.id) for name, found in merged] == [(b"a.txt", "local:1")]


def test_a_held_rename_outlasts_every_listing_until_it_is_undone() -> None:
    overlay, old = Overlay(), node(7, b"a.txt")
    overlay.vanish("c1", old.id, FOREVER)
    overlay.appear("c1", b"a.txt~", old, FOREVER)
    overlay.listed("c1", 10**9)
    assert overlay.merge("c1", [(b"a.txt", old)], 0.0) == [(b"a.txt~", old)]
    overlay.vanish("c1", old.id, float("-inf"))
    overlay.reappear("c1", old.id)
    assert overlay.merge("c1", [(b"a.txt", old)], 0.0) == [(b"a.txt", old)]


def test_new_content_belongs_to_the_last_who_wrote_it() -> None:
    overlay, one, two = Overlay(), staged(1, b"a"), staged(2, b"a")
    overlay.target(one, "r7")
    overlay.target(two, "r7")
    overlay.untarget(one, "r7")
    assert overlay.staged_for("r7") is two
    overlay.untarget(two, "r7")
    assert overlay.staged_for("r7") is None
