"""What a mount of JDMA can be told: its options, and the file of the official client with the storages' credentials."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from assetfs.backends import Option
from assetfs.repository import NotAuthenticated, RecallPolicy, Unsupported

log = logging.getLogger("assetfs.jdma")

CREDENTIALS = Path("~/.jdma.json")
DEFAULT_STORAGE = "elastictape"


def _size(text: str) -> int:
    """Bytes: `10G`. Powers of 1024."""
    units = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
    number, shift = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    try:
        value = round(float(number) * (1 << shift))
    except ValueError:
        value = -1
    if value < 0:
        raise ValueError("a size such as 500M or 10G")
    return value


def _seconds(text: str) -> float:
    """Seconds: `90`, `5m`, `1h`."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = -1.0
    if value < 0:
        raise ValueError("a time such as 90, 5m or 1h")
    return value


def _commit(text: str) -> str:
    """`attribute`, or `idle:<time>`."""
    if text != "attribute" and not (text.startswith("idle:") and _seconds(text[5:]) > 0):
        raise ValueError("attribute, or idle: and a time, such as idle:1h")
    return text


OPTIONS = (
    Option(
        "stage",
        Path,
        None,
        "Our folder on the disk that the server sees, too. Without one, nothing is brought or sent.",
    ),
    Option("stage_server", str, None, "The same folder as the server sees it, where its path is another one."),
    Option("workspaces", str, "", "Workspaces to show, with commas; one's own are shown in any case."),
    Option(
        "scope",
        str,
        "user",
        "Whose batches: one's own (user), or everybody's (workspace).",
        choices=("user", "workspace"),
    ),
    Option("storage", str, None, "Where new batches go: elastictape, objectstore. Default: that of credentials_file."),
    Option("credentials_file", Path, CREDENTIALS, "The official client's file with the credentials of storages."),
    Option(
        "recall",
        str,
        "fail",
        "Opening a file on tape: bring it and say 'try again' (fail), let readers wait (wait), or refuse (manual).",
        choices=("fail", "wait", "manual"),
    ),
    Option("recall_wait", float, 3600.0, "How long a reader waits at most.", _seconds),
    Option("recall_window", float, 3.0, "How long wishes are gathered for one request.", _seconds),
    Option("recall_parallel", int, 4, "Retrievals at a time."),
    Option("use_originals", bool, False, "Files that are still where they were put from, unchanged, are read there."),
    Option("recall_foreign", bool, False, "Opening files of other people's batches brings them, too."),
    Option("auto_recall_files", int, 100, "Files that opening may bring within an hour; attributes may bring more."),
    Option("auto_recall_bytes", int, 10 << 30, "Bytes that opening may bring within an hour.", _size),
    Option(
        "stage_max_bytes", int, None, "Copies on the shared disk together; the oldest go. Default: no limit.", _size
    ),
    Option("commit", str, "attribute", "When drafts become batches: by attribute, or when idle (idle:1h).", _commit),
    Option("poll_min", float, 5.0, "Shortest time between two questions about requests.", _seconds),
    Option("poll_max", float, 60.0, "Longest time between two questions about requests.", _seconds),
    Option("catalogue_ttl", float, 60.0, "How long a list of batches is good.", _seconds),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The options, settled."""

    stage: Path | None = None
    stage_server: str | None = None
    workspaces: tuple[str, ...] = ()
    everybody: bool = False
    storage: str | None = None
    credentials_file: Path = CREDENTIALS
    recall: RecallPolicy = RecallPolicy.FAIL
    recall_wait: float = 3600.0
    recall_window: float = 3.0
    recall_parallel: int = 4
    use_originals: bool = False
    recall_foreign: bool = False
    auto_recall_files: int = 100
    auto_recall_bytes: int = 10 << 30
    stage_max_bytes: int | None = None
    commit_idle: float | None = None
    poll_min: float = 5.0
    poll_max: float = 60.0
    catalogue_ttl: float = 60.0


def settled(options: Mapping[str, Any]) -> Settings:
    """Settings out of a mount's options; what is not given has its default."""
    given = {option.name: options.get(option.name, option.default) for option in OPTIONS}
    commit, scope, named = given.pop("commit"), given.pop("scope"), given.pop("workspaces")
    stage = given.pop("stage")
    return Settings(
        **{
            **given,
            "stage": Path(os.path.abspath(Path(stage).expanduser())) if stage is not None else None,
            "recall": RecallPolicy(given["recall"]),
            "workspaces": tuple(name.strip() for name in named.split(",") if name.strip()),
            "everybody": scope == "workspace",
            "commit_idle": _seconds(commit[5:]) if commit.startswith("idle:") else None,
        }
    )


class _Storage(msgspec.Struct):
    required_credentials: dict[str, str] = {}


class Account(msgspec.Struct):
    """The official client's file. Never shown or logged."""

    storage: dict[str, _Storage] = {}
    default_storage: str = DEFAULT_STORAGE
    default_gws: str | None = None

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        """By storage."""
        return {name: one.required_credentials for name, one in self.storage.items()}


def with_secret(account: Account, storage: str | None, secret: str) -> Account:
    """The account with the credentials of a storage from the place where secrets are kept: a JSON object of texts.
    Raises NotAuthenticated."""
    if not secret:
        return account
    try:
        found = _Storage(msgspec.json.decode(secret.encode(), type=dict[str, str]))
    except msgspec.DecodeError:
        raise NotAuthenticated('the credential is no JSON object of texts, such as {"access_key": …}') from None
    stored = {**account.storage, storage or account.default_storage: found}
    return msgspec.structs.replace(account, storage=stored)


def account(path: Path) -> Account:
    """Read the file; an empty account where there is none. Blocks. Raises Unsupported where it cannot be used."""
    place = path.expanduser()
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return Account()
    except OSError as error:
        raise Unsupported(f"{place} cannot be read: {error.strerror}") from None
    if stat.S_IMODE(place.stat().st_mode) & 0o077:
        log.warning("%s can be read by others: chmod 600 it", place)
    try:
        return msgspec.json.decode(data, type=Account)
    except msgspec.DecodeError:
        raise Unsupported(f"{place} is not a file of the JDMA client") from None
