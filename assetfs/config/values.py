"""Text to values: sizes, shares, durations, yes and no, names of users, lists of patterns.

Every mount option is text at some time (a command line, `-o`, the environment), so each kind of value has one parser
here, and a parser that refuses says in one sentence what it would have taken. Pure functions, no I/O except the
look-up of a user's or group's name.
"""

from __future__ import annotations

import grp
import math
import pwd
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

_UNITS: dict[str, int] = {"": 1, "b": 1} | {
    name: factor
    for power, letter in enumerate("kmgtp", start=1)
    for name, factor in ((letter, 1 << 10 * power), (f"{letter}ib", 1 << 10 * power), (f"{letter}b", 10 ** (3 * power)))
}
"""As coreutils: K and KiB are 1024, KB is 1000."""
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*", re.ASCII)
_WORDS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_LARGEST = 1 << 62


def size(text: str) -> int:
    """Bytes: `4096`, `10G`, `512MiB`, `2GB`."""
    match = _NUMBER.fullmatch(text)
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError("a size is a number and a unit, as 512MiB or 10G")
    value = int(match[1]) * factor if match[1].isdecimal() else round(float(match[1]) * factor)
    if value > _LARGEST:
        raise ValueError("that is larger than any disk")
    return value


class Share(float):
    """A part of a disk, 0 to 1. Becomes bytes when it is known which disk."""


def amount(text: str) -> int | Share:
    """Bytes, or a part of the disk: `10G`, `5%`."""
    if text.strip().endswith("%"):
        number = _NUMBER.fullmatch(text.strip()[:-1])
        if number is None or number[2] or float(number[1]) > 100:
            raise ValueError("a part of the disk is 0% to 100%")
        return Share(float(number[1]) / 100)
    try:
        return size(text)
    except ValueError:
        raise ValueError("it is a size as 10G, or a part of the disk as 5%") from None


def duration(text: str) -> float:
    """Seconds: `30`, `30s`, `5m`, `250ms`, `1h`, `2d`."""
    match = _NUMBER.fullmatch(text)
    factor = _SECONDS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError("a duration is a number and a unit, as 30s, 5m or 250ms")
    return float(match[1]) * factor


def deadline(text: str) -> float:
    """A duration that ends something, so it is longer than nothing."""
    if (value := duration(text)) <= 0:
        raise ValueError("it is longer than nothing")
    return value


def boolean(text: str) -> bool:
    """`yes`, `no` and their kin."""
    try:
        return _WORDS[text.strip().lower()]
    except KeyError:
        raise ValueError("it is yes or no") from None


def integer(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError("it is a whole number") from None
    if value < 0:
        raise ValueError("it is not negative")
    return value


def count(text: str) -> int:
    """A number of workers or requests: at least one."""
    if not 1 <= (value := integer(text)) <= 1024:
        raise ValueError("it is a number from 1 to 1024")
    return value


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("it is a number") from None
    if not math.isfinite(value):
        raise ValueError("it is a finite number")
    return value


def umask(text: str) -> int:
    if not re.fullmatch(r"(0o)?[0-7]{1,4}", text):
        raise ValueError("it is octal, as 022")
    return int(text, 8)


def user(text: str) -> int:
    try:
        return int(text) if text.isdecimal() else pwd.getpwnam(text).pw_uid
    except KeyError:
        raise ValueError("there is no such user") from None


def group(text: str) -> int:
    try:
        return int(text) if text.isdecimal() else grp.getgrnam(text).gr_gid
    except KeyError:
        raise ValueError("there is no such group") from None


def patterns(text: str) -> tuple[str, ...]:
    """File name patterns, comma-separated."""
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def words(text: str) -> tuple[str, ...]:
    """A command line as a shell would split it."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ValueError("it has an open quote") from None


def path(text: str) -> Path:
    """Absolute, `~` expanded; relative ones are below the working directory."""
    if not text:
        raise ValueError("it is a path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("it names a home folder that is not there") from None


def inner(text: str) -> str:
    """A path inside the repository: no leading or trailing slash, no `.` and `..`."""
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") for part in parts) or "\0" in text:
        raise ValueError("it is a path from the repository's top, without . and ..")
    return "/".join(parts)


def listen(text: str) -> str:
    """`host:port`, brackets around an IPv6 address; empty for nowhere."""
    host, colon, port = text.rpartition(":")
    if text and not (host and colon and port.isdecimal() and int(port) < 65536 and not host.endswith(":")):
        raise ValueError("it is an address and a port, as 127.0.0.1:9464")
    return text


PARSERS: dict[type, Callable[[str], Any]] = {bool: boolean, int: integer, float: number, str: str, Path: path}
"""What reads an option whose table row names no parser of its own."""
