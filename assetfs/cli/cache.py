"""`assetfs cache`: what is kept of a repository on this disk, and how to be rid of it.

What is owed to the server is not in the cache but in the state folder, and is never touched here. A mounted repository
keeps the files that it has open, and fetches the others again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from assetfs.cli import arguments, records
from assetfs.cli.arguments import AsJson, ConfigFile, Lists, Source, settings
from assetfs.cli.view import size
from assetfs.config import MountConfig, mount_config
from assetfs.failure import Failure, Status

ACTIONS = "show", "clear"


def cache(
    source: Source,
    action: Annotated[str, arguments.action(ACTIONS, default="show")] = "show",
    file: ConfigFile = None,
    lists: Lists = None,
    as_json: AsJson = False,
) -> int:
    """Show how much content is kept on disk, or drop it."""
    arguments.expect(action, ACTIONS)
    config = mount_config(settings(source, file, lists), Path("/"), secret="")
    from assetfs.daemon import disk_cache

    try:
        disk = disk_cache(config)
        freed = disk.clear() if action == "clear" else 0
        files, complete_files = disk.census()
    except OSError as error:
        raise Failure(f"the cache in {config.cache_dir} cannot be used: {error.strerror}") from None
    told = {
        "source": config.source,
        "folder": str(disk.folder),
        "files": files,
        "complete": complete_files,
        "bytes": disk.used,
        "limit": config.cache_size,
        "freed": freed,
        "mounted": [str(record.mountpoint) for record in _mounts(config)],
    }
    if as_json:
        print(json.dumps(told, indent=2))
    elif action == "clear":
        print(f"{size(freed)} freed; {size(disk.used)} of {config.source} are in use.")
    else:
        print(f"{config.source}: {files} files, {complete_files} of them complete, {size(disk.used)} of at most "
              f"{size(config.cache_size)}\n{disk.folder}")  # fmt: skip
    return Status.DONE


def _mounts(config: MountConfig) -> list[records.Record]:
    return [record for record in records.every() if record.alive and config.source in record.source.split()]
