"""The tops of the tree: communities, users' homes, and whose folder a folder is.

The server lists twenty public communities to those who are no administrators, and no homes but one's own; the others
answer to their names. Of users nothing is kept but their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from assetfs.backends.midas.client import Client
from assetfs.backends.midas.nodes import COMMUNITIES, Nodes
from assetfs.backends.midas.wire import Community, Folder, User, number, read
from assetfs.repository import Node, NotFound, Usage

_OWNER = re.compile(r"(community|user)_(\d+)")
"""How the server names root folders."""


class Places:
    """Communities and homes. `email` is the user's own, or empty."""

    def __init__(self, client: Client, nodes: Nodes, email: str) -> None:
        self._client = client
        self._nodes = nodes
        self._email = email
        self._me: User | None = None

    async def children(self, folder: Node) -> Sequence[Node]:
        """What `communities` and `users` list."""
        if folder.id == COMMUNITIES:
            found: list[Community] = await self._client.call("community.list", list[Community])
            self._nodes.note(found)
            return [self._community(one) for one in found]
        me = await self._myself()
        return [] if me is None else [await self.folder(self._nodes.meet(me))]

    async def find(self, folder: Node, name: str) -> Node:
        """One that is not listed. Raises NotFound."""
        if name.startswith("."):
            raise NotFound(f"no {name!r} here")  # desktops look for theirs everywhere
        if folder.id == COMMUNITIES:
            found: Community = await self._client.call("community.get", Community, name=name)
            if found.name != name:
                raise NotFound(f"the server takes {found.name!r} for {name!r}")
            self._nodes.note([found])
            return self._community(found)
        words = name.split("_")
        for at in range(1, len(words)):
            user = await self._user(firstname="_".join(words[:at]), lastname="_".join(words[at:]))
            if user is not None:
                return await self.folder(self._nodes.meet(user))
        raise NotFound(f"no user {name!r}")

    def _community(self, one: Community) -> Node:
        status = "0" if one.privacy == "0" else "2"
        record = Folder(
            one.folder_id, "-2", one.name, one.uuid, date_creation=one.creation, date_update=one.creation,
            privacy_status=status,
        )  # fmt: skip
        return self._nodes.folder(record)

    async def folder(self, folder_id: int) -> Node:
        """A folder as it is now; a root folder under the name of whose it is. Raises NotFound."""
        record: Folder = await self._client.call("folder.get", Folder, id=folder_id)
        if record.parent_id.startswith("-"):
            await self._meet_owner(record)
        community = self._nodes.communities.get(folder_id)
        return self._nodes.folder(record) if community is None else self._community(community)

    async def _meet_owner(self, record: Folder) -> None:
        folder_id, found = number(record.folder_id), _OWNER.fullmatch(record.name)
        if folder_id in self._nodes.communities or folder_id in self._nodes.homes:
            return
        if found is None:
            self._nodes.note(await self._client.call("community.list", list[Community]))
        elif found[1] == "community":
            self._nodes.note([await self._client.call("community.get", Community, id=found[2])])
        elif (user := await self._user(user_id=found[2])) is not None:
            self._nodes.meet(user)

    async def _myself(self) -> User | None:
        if self._me is None and self._email:
            self._me = await self._user(email=self._email)
        return self._me

    async def administrates(self) -> bool:
        """Whether the user is an administrator of the server, whom it lets do everything."""
        me = await self._myself()
        return me is not None and me.admin == "1"

    async def _user(self, **which: Any) -> User | None:
        """The server answers with nothing where there is none."""
        found = await self._client.call("user.get", **which)
        user: User | None = read(found, User, "user.get") if found else None
        return user

    async def usage(self) -> Usage:
        """Quota and use of the account."""
        me = await self._myself()
        if me is None:
            return Usage()
        told = await self._client.call("sizequota.user.get", Quota, user=me.user_id)
        if not told.quota:
            return Usage()
        return Usage(total=number(told.quota), free=max(0, number(told.quota) - number(told.used)))


class Quota(msgspec.Struct, frozen=True):
    """Bytes; the quota is empty where there is none."""

    quota: str = ""
    used: str = ""
