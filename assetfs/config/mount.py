"""`MountConfig`: everything that one mount needs to know, typed and complete.

It is made by whoever starts a mount, and handed to the daemon as it is. Its fields are the option table's rows, with
those that the transport needs in a structure of their own; a test holds table and structure together.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from assetfs import credentials
from assetfs.backends import Address
from assetfs.config.load import Effective, MountOptions, Recipe
from assetfs.config.table import AUTO
from assetfs.config.values import Share
from assetfs.transport import TransportOptions


class MountConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One mount. Sizes in bytes, durations in seconds; `address` holds the secret, and no `repr` shows it."""

    mountpoint: Path
    source: str
    """How people call it: the profile's name or the URL, without a secret."""
    address: Address
    transport: TransportOptions
    cache_dir: Path
    state_dir: Path
    kernel_options: tuple[str, ...] = ()
    """What mount(8) has for every file system (`noexec`, `nodev`), for the kernel."""
    root: str = ""
    """The mounted folder: path from the repository's root, no slash at either end; empty for all of it."""
    read_only: bool = False
    show_virtual: bool = False
    allow_other: bool = False
    uid: int
    gid: int
    umask: int = 0o022
    cache: bool = True
    cache_size: int
    cache_free: int
    memory: int = 256 << 20
    prefetch: int = 128 << 20
    read_ahead: int
    """For the kernel, in bytes; 0 leaves it as it is."""
    max_background: int = 64
    downloads: int = 16
    verify: bool = True
    attr_timeout: float = 1.0
    entry_timeout: float = 1.0
    negative_timeout: float = 5.0
    list_timeout: float = 60.0
    uploads: int = 4
    write_back_delay: float = 2.0
    write_mode: str = "back"
    """`back` or `through`."""
    fsync: str = "local"
    """`local` or `server`."""
    drain: float = 45.0
    local_only: tuple[str, ...] = ()
    backup: tuple[str, ...] = ()
    timeout: float = 60.0
    log_level: str = "info"
    log_format: str = "text"
    """`text` or `json`."""
    log_file: Path | None = None
    metrics_listen: str = ""
    """`host:port` to serve metrics on; empty: nowhere but in the mount."""
    name: str = ""
    """Of its folder, where several repositories are in one mount."""
    recipe: Recipe | None = None
    """What all this came from, to be read again."""
    parts: tuple[MountConfig, ...] = ()
    """Several repositories in one mount: theirs. This one then says what they have in common."""


TRANSPORT = {
    "connect_timeout": "connect_timeout",
    "read_timeout": "read_timeout",
    "deadline": "timeout",
    "content_connections": "downloads",
    "upload_connections": "uploads",
    "ca_file": "ca_file",
    "client_cert": "client_cert",
    "allow_plaintext": "allow_plaintext",
}
"""Fields of TransportOptions and the options that they come from."""


def _disk(place: Path) -> int:
    """Size of the disk that `place` is on, or will be."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).total


def _automatic(values: dict[str, Any]) -> None:
    """Work out what depends on the disk or on who mounts."""
    places = {"cache_dir": platformdirs.user_cache_dir, "state_dir": platformdirs.user_state_dir}
    for name, default in places.items():
        if values[name] == AUTO:
            values[name] = Path(default("assetfs"))
    disk = _disk(values["cache_dir"])
    ready = {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "read_ahead": 4 << 20 if os.geteuid() == 0 else 0,
        "cache_size": min(10 << 30, disk // 10),
    }
    for name, value in ready.items():
        if values[name] == AUTO:
            values[name] = value
    for name in ("cache_size", "cache_free"):
        if isinstance(values[name], Share):
            values[name] = int(values[name] * disk)


def resolved(settings: Effective) -> dict[str, Any]:
    """The common options' values, those that depend on this machine worked out."""
    values = {name: setting.value for name, setting in settings.settings.items()}
    _automatic(values)
    return values


def find_secret(settings: Effective, environ: Mapping[str, str]) -> str:
    """The repository's credential. Raises CredentialError."""
    backend = settings.backend
    found = credentials.find(
        settings.name,
        called=backend.secret_name,
        environ=environ,
        file=settings["credential_file"],
        command=settings["credential_command"],
    )
    if found is None and backend.needs_secret and (settings.source.user or not backend.anonymous):
        raise credentials.missing(backend.secret_name)
    return found or ""


def reread_secret(config: MountConfig) -> str | None:
    """The credential as it is now where it came from; None where it cannot have changed. Raises Failure. Blocks."""
    if config.recipe is None or config.recipe.fixed:
        return None
    return find_secret(config.recipe.read(), os.environ)


def reread(config: MountConfig) -> MountConfig:
    """The configuration as it is now, but for the credential. Raises ConfigError."""
    if config.recipe is None:
        return config
    options = MountOptions({}, config.kernel_options)
    again = mount_config(config.recipe.read(), config.mountpoint, secret=config.address.secret, options=options)
    return msgspec.structs.replace(
        again,
        recipe=config.recipe,
        name=config.name,
        source=config.source,
        parts=tuple(reread(part) for part in config.parts),
    )


def mount_config(
    settings: Effective, mountpoint: Path, *, secret: str, options: MountOptions | None = None
) -> MountConfig:
    """The settings, complete, for a mount there."""
    values = resolved(settings)
    own: Mapping[str, Any] = {name: setting.value for name, setting in settings.backend_settings.items()}
    return MountConfig(
        mountpoint=mountpoint,
        source=settings.name,
        address=Address(
            backend=settings.source.backend,
            url=settings.source.url,
            user=settings.source.user,
            secret=secret,
            options=own,
        ),
        transport=TransportOptions(**{field: values[name] for field, name in TRANSPORT.items()}),
        kernel_options=options.kernel if options else (),
        **{name: value for name, value in values.items() if name in MountConfig.__struct_fields__},
    )
