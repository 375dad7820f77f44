"""Finding: `search/<query>/`, `tags/<tag>/` and `recent/` below `.assetfs/`, as links to what the server finds.

Only what the backend declares is there. The server is asked when a folder is listed or a name in it is looked up, and
its answer serves for half a minute; a link's own text is worked out when somebody reads it (`links.py`). Queries are
not listed: each name is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

import trio
from cachetools import LRUCache

from assetfs import names
from assetfs.names import Names, Sibling
from assetfs.repository import Kind, Node, NotFound, Repository, Rights

MOST = 500
"""Links in one folder: what people look through; the server is not asked for more."""

KEPT = 100
"""Answers that are remembered."""

GOOD = 30.0
"""Seconds that an answer serves."""

Answer = Names[Node]


class Finding:
    """What is below `prefix` (the id of `.assetfs` itself): ids are `<prefix>search/<query>/<node>`."""

    def __init__(
        self,
        repository: Repository,
        prefix: str,
        clock: Callable[[], float],
    ) -> None:
        self._repository = repository
        self._prefix = prefix
        self._clock = clock
        self._answers: LRUCache[str, tuple[float, Answer]] = LRUCache(KEPT)
        self._asking: dict[str, trio.Lock] = {}

    def folders(self) -> dict[bytes, Node]:
        """The folders that this repository can fill."""
        capabilities = self._repository.capabilities
        there = {
            "search": capabilities.search,
            "tags": capabilities.tags,
            "recent": capabilities.recent,
        }
        return {name.encode(): self._folder(name) for name, declared in there.items() if declared}

    def _folder(self, path: str) -> Node:
        name = path.rsplit("/", 1)[-1]
        return Node(id=self._prefix + path, kind=Kind.FOLDER, name=name, mtime_ns=0, rights=Rights.READ)

    def owns(self, folder: Node) -> bool:
        """Whether a virtual folder is one of these."""
        return folder.id.removeprefix(self._prefix).split("/", 1)[0] in ("search", "tags", "recent")

    async def entries(self, folder: Node) -> list[tuple[bytes, Node]]:
        """What one of these folders lists. Raises what the server answers."""
        what, _, key = folder.id.removeprefix(self._prefix).partition("/")
        if what == "search" and not key:
            return []
        return list((await self._answer(what, key)).shown.items())

    async def lookup(self, folder: Node, name: bytes) -> Node:
        """Raises NotFound."""
        what, _, key = folder.id.removeprefix(self._prefix).partition("/")
        if what == "search" and not key:
            if name.startswith(b"."):
                raise NotFound("programs look for their own names everywhere, and not for what is called so")
            return self._folder(f"search/{names.decode(name)}")
        node = (await self._answer(what, key)).resolve(name)
        if node is None:
            raise NotFound(f"no {name!r} in {folder.id}")
        return node

    async def _answer(self, what: str, key: str) -> Answer:
        path = f"{what}/{key}"
        lock = self._asking.setdefault(path, trio.Lock())
        async with lock:
            asked, answer = self._answers.get(path, (float("-inf"), None))
            if answer is None or self._clock() - asked > GOOD:
                asked = self._clock()
                answer = await self._ask(what, key)
                self._answers[path] = (asked, answer)
        if not lock.statistics().tasks_waiting:
            self._asking.pop(path, None)
        return answer

    async def _ask(self, what: str, key: str) -> Answer:
        if what == "tags" and not key:
            tags = await self._repository.tags()
            return names.assign([Sibling(tag, "", True, False, self._folder(f"tags/{tag}")) for tag in tags])
        pages = {"search": self._repository.search, "tags": self._repository.tagged}
        found: dict[str, Node] = {}
        async for page in pages[what](key) if what in pages else self._repository.recent():
            found.update((node.id, node) for node in page.nodes)
            if len(found) >= MOST:
                break
        return self._links(f"{self._prefix}{what}/{key}/", list(found.values())[:MOST])

    def _links(self, prefix: str, nodes: list[Node]) -> Answer:
        """Links under the names of what they lead to; names from different folders may meet, and labels too."""
        labels = Counter((node.name, node.label, node.kind is Kind.FOLDER) for node in nodes)
        siblings = []
        for node in nodes:
            is_folder = node.kind is Kind.FOLDER
            unique = node.label and labels[node.name, node.label, is_folder] == 1
            label = (
                node.label if unique else blake2b(node.id.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
            )
            link = Node(
                id=prefix + node.id,
                kind=Kind.LINK,
                name=node.name,
                leads_to=node.id,
                mtime_ns=node.mtime_ns,
                rights=Rights.READ,
            )
            siblings.append(Sibling(node.name, label, is_folder, node.always_decorated, link))
        return names.assign(siblings)
