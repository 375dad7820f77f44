"""The option table: every mount option once, for every place where it may be given.

From these rows come the command line of `mount` (`--cache-size`), `-o cache_size=` of mount(8), `ASSETFS_CACHE_SIZE`,
and the keys of the configuration file; a backend adds its own rows (`Backend.options`). A default of `AUTO` is worked
out when the rest is known (`load.py`), because it depends on the disk or on who mounts.

The numbers are a synthesis of what the best mounts use, until the benchmarks say better.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assetfs.backends import Option
from assetfs.config import values

AUTO = "auto"

LOCAL_ONLY = (
    *(".*.sw?", ".~lock.*#", ".#*", "4913", ".goutputstream-*", ".Trash", ".Trash-*", ".DS_Store", "._*"),
    *("Thumbs.db", "desktop.ini", ".fuse_hidden*", ".nfs????????????????????????", ".directory"),
    *("*.tmp", "*.part", "*.crdownload", "sed??????", ".*.??????", "*-journal", "*-wal", "*-shm", ".git"),
)
"""What editors, desktops and kernels drop beside files, and no repository wants."""
BACKUPS = ("*~", "*.bak", "*.orig", "#*#", "*_original", "*.blend1")
"""What programs rename an original to while they write the new one; the last two are ExifTool's and Blender's."""


Parser = Callable[[str], Any]


def _auto(parse: Parser) -> Parser:
    return lambda text: AUTO if text == AUTO else parse(text)


def _row(name: str, kind: type, default: Any, text: str, parse: Parser | None = None, *choices: str) -> Option:
    return Option(name, kind, default, text, parse, choices)


TABLE: dict[str, tuple[Option, ...]] = {
    "What is mounted": (
        _row("root", str, "", "Mount this folder of the repository instead of all of it.", values.inner),
        _row("read_only", bool, False, "Refuse every change (-o ro)."),
        _row("show_virtual", bool, False, "List the synthetic dot entries (.renditions, .links) too."),
    ),
    "Who may use it": (
        _row("allow_other", bool, False, "Let other users of this machine in."),
        _row("uid", int, AUTO, "Owner of files: a number or a name. Default: who mounts.", _auto(values.user)),
        _row("gid", int, AUTO, "Group of files: a number or a name. Default: who mounts.", _auto(values.group)),
        _row("umask", int, 0o022, "Permissions taken away, octal.", values.umask),
    ),
    "Places": (
        _row("cache_dir", Path, AUTO, "Cached content; may be deleted at any time.", _auto(values.path)),
        _row("state_dir", Path, AUTO, "Journal and staged files; never delete it.", _auto(values.path)),
    ),
    "Reading": (
        _row("cache", bool, True, "Keep content on disk and use it again."),
        _row(
            "cache_size", int, AUTO, "Size of the cache. Default: 10G, at most 10% of the disk.", _auto(values.amount)
        ),
        _row("cache_free", int, values.Share(0.05), "Leave this much of the disk free: 5%, 20G.", values.amount),
        _row("memory", int, 256 << 20, "Buffers of all open files together.", values.size),
        _row("prefetch", int, 128 << 20, "How far at most to read ahead in one file.", values.size),
        _row(
            "read_ahead", int, AUTO, "The kernel's own read-ahead. Default: 4M where root mounts.", _auto(values.size)
        ),
        _row("max_background", int, 64, "Requests that the kernel may have under way.", values.count),
        _row("downloads", int, 16, "Parallel downloads.", values.count),
        _row("verify", bool, True, "Compare completely fetched files with the server's digest."),
    ),
    "Freshness": (
        _row("attr_timeout", float, 1.0, "How long the kernel trusts attributes.", values.duration),
        _row("entry_timeout", float, 1.0, "How long the kernel trusts names.", values.duration),
        _row("negative_timeout", float, 5.0, "How long a missing name stays missing.", values.duration),
        _row("list_timeout", float, 60.0, "How long a listing stays good without asking.", values.duration),
    ),
    "Writing": (
        _row("uploads", int, 4, "Parallel uploads.", values.count),
        _row("write_back_delay", float, 2.0, "Quiet time after the last close before an upload.", values.duration),
        _row("write_mode", str, "back", "Whether close waits for the server.", None, "back", "through"),
        _row("fsync", str, "local", "Whether fsync waits for the server.", None, "local", "server"),
        _row("drain", float, 45.0, "How long an unmount waits for uploads.", values.duration),
        _row("local_only", tuple, LOCAL_ONLY, "Names that never go to the server, comma-separated.", values.patterns),
        _row("backup", tuple, BACKUPS, "Backup names of editors, comma-separated.", values.patterns),
    ),
    "The server": (
        _row("timeout", float, 60.0, "Longest time for one operation in all.", values.deadline),
        _row("connect_timeout", float, 10.0, "Longest time for a connection to be made.", values.deadline),
        _row("read_timeout", float, 30.0, "Longest silence of the server.", values.deadline),
        _row("ca_file", Path, None, "Certificates to trust instead of the system's (PEM).", values.path),
        _row("client_cert", Path, None, "Certificate and key to show to the server, in one PEM file.", values.path),
        _row("allow_plaintext", bool, False, "Plain http to other machines: the credential can be read on the way."),
        _row("credential_file", Path, None, "File that holds the credential; only its owner may read it.", values.path),
        _row("credential_command", tuple, (), "Command that prints the credential; run without a shell.", values.words),
    ),
    "Log and metrics": (
        _row("log_level", str, "info", "How much is logged.", None, "error", "warning", "info", "debug"),
        _row("log_format", str, "text", "Lines for people, or one JSON object each.", None, "text", "json"),
        _row(
            "log_file",
            Path,
            None,
            "Log here. Default: a file in the state folder; stderr with --foreground.",
            values.path,
        ),
        _row("metrics_listen", str, "", "Serve metrics for Prometheus here too: 127.0.0.1:9464.", values.listen),
    ),
}

OPTIONS: dict[str, Option] = {option.name: option for rows in TABLE.values() for option in rows}


def read(option: Option, raw: object) -> Any:
    """The option's value from text, or from what TOML has read. Raises ValueError with a reason for people."""
    if isinstance(raw, list):
        if option.type is not tuple or not all(isinstance(item, str) for item in raw):
            raise ValueError("it is not a list")
        return tuple(raw)
    if isinstance(raw, bool):
        if option.type is not bool:
            raise ValueError("it is not a yes or no")
        return raw
    if not isinstance(raw, str | int | float):
        raise ValueError("it is text or a number")
    text = str(raw)
    if option.choices and text not in option.choices:
        raise ValueError(f"it is one of {', '.join(option.choices)}")
    return (option.parse or values.PARSERS[option.type])(text)
