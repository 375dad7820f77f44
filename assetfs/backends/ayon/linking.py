"""Links between entities, and entity lists, as folders of symbolic links (sections 4.9, 4.12).

`.links/<type>.out/` has what an entity is linked to, `.links/<type>.in/` what is linked to it. A link shows under its
own name, else under that of what it leads to. `.lists/<project>/<label>/` has the entries of a list by their position.
"""

from __future__ import annotations

from assetfs.backends.ayon import naming, nodes
from assetfs.backends.ayon.client import decoded, of_project
from assetfs.backends.ayon.ids import ENTITIES, Ref, is_id, parse
from assetfs.backends.ayon.queries import LISTS, Ask
from assetfs.backends.ayon.studio import Studio
from assetfs.backends.ayon.wire import EntityList, Item, LinkEdge, Made, Projects
from assetfs.repository import Kind, NameRejected, Node, NotFound, Rights, Unsupported, ValueRejected


class Linking:
    """Reads and changes links; reads lists."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def hidden(self, ref: Ref, name: str) -> Node:
        """`.links` of an entity, or `.lists` of the root. Raises NotFound."""
        if name == naming.LISTS and ref.what == "root":
            return nodes.folder_like(Ref("lists", "*"), naming.LISTS, rights=Rights.READ)
        if name == naming.LINKS and ref.what in ENTITIES:
            return _links(ref.project, ref.what, ref.id)
        raise NotFound(f"there is no {name}")

    async def stat(self, ref: Ref) -> Node:
        """One of ours as it is now. Raises NotFound."""
        if ref.what == "lists":
            if ref.project == "*":
                return nodes.folder_like(Ref("lists", "*"), naming.LISTS, rights=Rights.READ)
            await self._studio.projects.get(ref.project)
            return _shelf(ref.project)
        if ref.what == "list":
            return _list(ref.project, await self._list_of(ref))
        if ref.what == "links":
            await self._studio.row(Ref(_entity(ref), ref.project, (ref.key[1],)))
            return _links(ref.project, *ref.key)
        above = {"linkset": self.sets, "linkto": self.links, "item": self.items}[ref.what]
        for node in await above(ref._replace(key=ref.key[:-1] if ref.what != "linkset" else ref.key[:2])):
            if node.id == ref.node:
                return node
        raise NotFound("there is no such link")

    # ---- links ----------------------------------------------------------------------------------------------------

    async def sets(self, ref: Ref) -> list[Node]:
        """The folders in `.links`: one for every type and direction that the project has for such an entity."""
        what = _entity(ref)
        types = (await self._studio.projects.get(ref.project)).facts.link_types
        found = [(one.link_type, "out") for one in types if one.input_type == what]
        found += [(one.link_type, "in") for one in types if one.output_type == what]
        return [
            nodes.folder_like(Ref("linkset", ref.project, (*ref.key[:2], *one)), ".".join(one))
            for one in dict.fromkeys(found)
        ]

    async def links(self, ref: Ref) -> list[Node]:
        """The links of an entity in one direction."""
        _, id_, link_type, direction = ref.key[:4]
        edges = [
            edge
            for edge in await self.edges(ref.project, _entity(ref), id_)
            if (edge.link_type.partition("|")[0], edge.direction) == (link_type, direction)
        ]
        names = await self._names(ref.project, [(edge.entity_type, edge.entity_id) for edge in edges])
        return [_link(ref, edge, names.get(edge.entity_id)) for edge in edges]

    async def edges(self, project: str, what: str, id_: str) -> list[LinkEdge]:
        """All links of an entity, as it sees them. Raises NotFound."""
        found = (await self._studio.links(project).rows({what: [id_]}))[what].get(id_)
        if found is None:
            raise NotFound(f"there is no {what} {id_}")
        return list(found.links.edges)

    async def _names(self, project: str, entities: list[tuple[str, str]]) -> dict[str, str]:
        """What entities are called on the drive."""
        wanted: dict[str, list[str]] = {}
        for what, id_ in entities:
            if what in ENTITIES and is_id(id_):
                wanted.setdefault(what, []).append(id_)
        found = await self._studio.rows(project, wanted)
        return {
            row.id: naming.version_name(row) if what == "version" else row.name
            for what, rows in found.items()
            for row in rows.values()
        }

    async def make(self, folder: Ref, name: str, to: Node | None) -> Node:
        """Link an entity to another one. Raises ValueRejected, NameRejected."""
        what, id_, link_type, direction = folder.key
        if direction != "out":
            raise Unsupported("links are made where they begin: in the folder that ends in .out")
        if to is None:
            raise ValueRejected("a link leads to something of this repository")
        target = parse(to.id)
        target_what = "representation" if target.what == "file" else target.what
        if target_what not in ENTITIES or target.project != folder.project:
            raise ValueRejected(
                "a link leads to a folder, task, product, version, representation or workfile of its project"
            )
        full = f"{link_type}|{what}|{target_what}"
        types = (await self._studio.projects.get(folder.project)).facts.link_types
        if full not in (one.name for one in types):
            raise ValueRejected(f"the project has no links of the type {full}")
        if not name or "\0" in name:
            raise NameRejected("a link needs a name")
        body = {"input": id_, "output": target.id, "linkType": full, "name": name, "data": {}}
        path = of_project(folder.project, "links")
        answer = await self._studio.client.send("POST", path, "link", body=body, repeatable=False)
        made = (await decoded(answer, Made, "link")).id
        self._studio.links(folder.project).clear()
        edge = LinkEdge(
            id=made, direction="out", link_type=link_type, entity_type=target_what, entity_id=target.id, name=name
        )
        return _link(folder, edge, None)

    async def remove(self, ref: Ref) -> None:
        """Take a link away. Raises NotFound."""
        await self._studio.client.send(
            "DELETE", of_project(ref.project, "links", ref.key[4]), "unlink", repeatable=False
        )
        self._studio.links(ref.project).clear()

    # ---- lists ----------------------------------------------------------------------------------------------------

    async def lists(self, ref: Ref) -> list[Node]:
        """The projects in `.lists`, or the lists of one of them."""
        if ref.project == "*":
            found = await self._studio.client.get("api/projects?active=true", Projects, "projects")
            return [_shelf(row.name) for row in found.projects]
        return [_list(ref.project, row) for row in await self._entity_lists(ref.project)]

    async def items(self, ref: Ref) -> list[Node]:
        """The entries of a list."""
        row = await self._list_of(ref)
        items = sorted(row.items.edges, key=lambda item: (item.position, item.id))
        names = await self._names(
            ref.project, [(item.entity_type or row.entity_type, item.entity_id) for item in items]
        )
        return [
            Node(
                id=_item(ref, row, item).node,
                kind=Kind.LINK,
                name=f"{number:02d}-{names[item.entity_id]}",
                label=nodes.label(item.id),
                leads_to=Ref(item.entity_type or row.entity_type, ref.project, (item.entity_id,)).node,
                rights=Rights.READ,
                private=nodes.Of(id=item.id, ref=_item(ref, row, item), row=item),
            )
            for number, item in enumerate(items, 1)
            if item.entity_id in names
        ]

    async def _list_of(self, ref: Ref) -> EntityList:
        for row in await self._entity_lists(ref.project):
            if row.id == ref.id:
                return row
        raise NotFound("there is no such list")

    async def _entity_lists(self, project: str) -> list[EntityList]:
        found = await self._studio.client.lists(project, [Ask("entityLists", {}, LISTS, 1000)], "lists")
        return self._studio.shown(edge.node for edge in found.entity_lists.edges)

    async def way(self, ref: Ref) -> list[Node]:
        """The nodes above one of `.lists`."""
        if ref.what == "lists":
            return [self.hidden(Ref("root"), naming.LISTS)] if ref.project != "*" else []
        above = [*await self.way(Ref("lists", ref.project)), _shelf(ref.project)]
        return above if ref.what == "list" else [*above, await self.stat(Ref("list", ref.project, ref.key[:1]))]


def _item(ref: Ref, row: EntityList, item: Item) -> Ref:
    return Ref("item", ref.project, (row.id, item.id))


def _entity(ref: Ref) -> str:
    """The type of the entity that has links. Raises NotFound."""
    if ref.key[0] not in ENTITIES or not is_id(ref.key[1]):
        raise NotFound("there is no such node")
    return ref.key[0]


def _links(project: str, what: str, id_: str) -> Node:
    return nodes.folder_like(Ref("links", project, (what, id_)), naming.LINKS, rights=Rights.READ)


def _link(folder: Ref, edge: LinkEdge, name: str | None) -> Node:
    ref = Ref("linkto", folder.project, (*folder.key[:4], edge.id))
    return Node(
        id=ref.node,
        kind=Kind.LINK,
        name=edge.name or name or f"{edge.entity_type}-{edge.entity_id[:8]}",
        label=nodes.label(edge.id),
        leads_to=Ref(edge.entity_type, folder.project, (edge.entity_id,)).node,
        private=nodes.Of(id=edge.id, ref=ref, row=edge),
    )


def _shelf(project: str) -> Node:
    return nodes.folder_like(Ref("lists", project), project, rights=Rights.READ)


def _list(project: str, row: EntityList) -> Node:
    name = row.label or row.id
    return nodes.folder_like(Ref("list", project, (row.id,)), name, rights=Rights.READ)
