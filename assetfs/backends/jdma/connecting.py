"""Putting a repository together: once at `connect`, when the options, the stage and the user are known."""

from __future__ import annotations

import getpass
import time

import trio

from assetfs.backends.jdma.catalogue import Catalogue
from assetfs.backends.jdma.client import Client
from assetfs.backends.jdma.commits import Commits
from assetfs.backends.jdma.copies import Copies
from assetfs.backends.jdma.engine import Engine
from assetfs.backends.jdma.journal import Journal
from assetfs.backends.jdma.leftovers import Leftovers
from assetfs.backends.jdma.nodes import Nodes
from assetfs.backends.jdma.originals import Originals
from assetfs.backends.jdma.recalls import Recalls
from assetfs.backends.jdma.retrieving import Retrieving
from assetfs.backends.jdma.settings import Account, Settings
from assetfs.backends.jdma.stage import Stage
from assetfs.backends.jdma.wants import Allowance, Wants


def login_name() -> str:
    """Who runs this: the name that JDMA knows its users by."""
    return getpass.getuser()


class Disk:
    """Everything that needs the shared disk. None of it exists where no stage is named."""

    def __init__(self, stage: Stage, journal: Journal, recalls: Recalls, engine: Engine, commits: Commits) -> None:
        self.stage = stage
        self.journal = journal
        self.recalls = recalls
        self.engine = engine
        self.commits = commits


class Parts:
    """What a connected repository works with."""

    def __init__(self, client: Client, settings: Settings, account: Account) -> None:
        self._client = client
        self._settings = settings
        self._account = account
        self.disk: Disk | None = None
        self.catalogue: Catalogue
        self.nodes: Nodes

    async def assemble(self) -> None:
        """Open the stage and the journal, and take over what is on its way. Raises BadStage."""
        settings, client = self._settings, self._client
        stage = Stage(settings.stage, settings.stage_server) if settings.stage is not None else None
        journal = None
        if stage is not None:
            await trio.to_thread.run_sync(stage.prepare)
            journal = await trio.to_thread.run_sync(Journal, stage.local / ".assetfs")
        gws = self._account.default_gws
        self.catalogue = Catalogue(
            client,
            journal,
            tuple(dict.fromkeys([*settings.workspaces, *([gws] if gws else [])])),
            time.monotonic,
            everybody=settings.everybody,
            ttl=settings.catalogue_ttl,
        )
        if stage is not None and journal is not None:
            self.disk = self._with_disk(stage, journal)
            await trio.to_thread.run_sync(self.disk.engine.load)
            await trio.to_thread.run_sync(self.disk.commits.load)
        recalls = self.disk.recalls if self.disk is not None else None
        self.nodes = Nodes(client.name, recalls, stage=stage is not None)

    def _with_disk(self, stage: Stage, journal: Journal) -> Disk:
        settings, client = self._settings, self._client
        recalls = Recalls(
            Wants(settings.recall_window),
            Allowance(settings.auto_recall_files, settings.auto_recall_bytes),
            Copies(stage),
            time.monotonic,
            foreign=settings.recall_foreign,
            name=client.name,
        )
        leftovers = Leftovers(client, stage, journal, time.monotonic, pause=settings.poll_min)
        engine = Engine(
            client,
            self.catalogue,
            stage,
            journal,
            recalls,
            Retrieving(client, stage, journal, pause=settings.poll_min),
            leftovers,
            Originals(stage, journal, wanted=settings.use_originals),
            time.monotonic,
            parallel=settings.recall_parallel,
            limit=settings.stage_max_bytes,
            poll_min=settings.poll_min,
            poll_max=settings.poll_max,
        )
        storage = settings.storage or self._account.default_storage
        commits = Commits(
            client, self.catalogue, stage, journal, engine, recalls, leftovers, storage, pause=settings.poll_min
        )
        return Disk(stage, journal, recalls, engine, commits)
