"""Configuration: what was given in four places, as one validated `MountConfig`.

`table.py` has every option once; `values.py` reads text; `source.py` takes a SOURCE apart; `load.py` lets the command
line win over the environment, that over the repository's section, that over `[defaults]`, and remembers where each
value came from; `mount.py` has the result.
"""

from assetfs.config.load import Effective, Recipe, Setting, effective, mount_options
from assetfs.config.mount import MountConfig, find_secret, mount_config, reread, reread_secret, resolved
from assetfs.config.source import ConfigError, Source
from assetfs.config.table import OPTIONS, TABLE

__all__ = [
    "OPTIONS",
    "TABLE",
    "ConfigError",
    "Effective",
    "MountConfig",
    "Recipe",
    "Setting",
    "Source",
    "effective",
    "find_secret",
    "mount_config",
    "mount_options",
    "reread",
    "reread_secret",
    "resolved",
]
