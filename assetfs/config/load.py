"""Where a value comes from: the command line, the environment, the repository's section, `[defaults]`, the table.

A key that nobody knows is an error, with the nearest one that exists: a misspelt option that is silently ignored is
found out when it is too late. In `[defaults]` and in the environment, options of other backends are fine, since both
serve many mounts; in a repository's section and on a command line they are not.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from assetfs.backends import Backend, Option, available
from assetfs.config import source as sources
from assetfs.config.source import ConfigError, Source, nearest
from assetfs.config.table import OPTIONS, read

PREFIX = "ASSETFS_"
RESERVED = frozenset({"ASSETFS_CREDENTIAL", "ASSETFS_CONFIG", "ASSETFS_DEBUG"})
"""Variables with the prefix that are no mount options; nor are ASSETFS_TEST_… and ASSETFS_LIVE_…."""

KERNEL = frozenset({"noexec", "noatime", "sync", "dirsync", "nosuid", "nodev"})
"""What mount(8) knows for every file system and the kernel keeps: passed on as it is."""
OPPOSITES = {"exec": "noexec", "atime": "noatime", "async": "sync"}
"""What takes one of them back. `suid` and `dev` do not: mount.fuse(8) adds both by itself where root mounts."""
IGNORED = frozenset(
    {
        "auto",
        "noauto",
        "suid",
        "dev",
        "user",
        "nouser",
        "users",
        "owner",
        "group",
        "defaults",
        "_netdev",
        "nofail",
        "relatime",
    }
    | {
        "norelatime",
        "strictatime",
        "nostrictatime",
        "nodiratime",
        "diratime",
        "lazytime",
        "nolazytime",
        "mand",
        "nomand",
    }
    | {"silent", "loud", "iversion", "noiversion"}
)
"""What mount(8), fstab and systemd keep for themselves."""
PLACES = frozenset({"source", "mountpoint"})
"""Keys of a repository's section that are no options."""
SHORTHAND = {"ro": ("read_only", "yes"), "rw": ("read_only", "no")}


class Setting(msgspec.Struct, frozen=True):
    """One option's value, and where it was said."""

    value: Any
    origin: str


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one repository."""

    source: Source
    profile: str | None
    """The repository's name in the configuration file, if SOURCE was one."""
    backend: Backend
    settings: Mapping[str, Setting]
    """The common options."""
    backend_settings: Mapping[str, Setting]
    mountpoint: Path | None = None
    """Where it is mounted unless somebody says otherwise: `mountpoint` in its section."""

    def __getitem__(self, name: str) -> Any:
        return self.settings[name].value

    @property
    def name(self) -> str:
        """How people call it: the profile, or the URL without a secret."""
        return self.profile or str(self.source)


MACHINE = Path("/etc/assetfs/config.toml")
"""The machine's own configuration: for who has none."""


def default_file() -> Path:
    """The user's own, or the machine's where only that is there."""
    own = Path(platformdirs.user_config_dir("assetfs")) / "config.toml"
    return MACHINE if not own.exists() and MACHINE.exists() else own


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about a mount and where, so that its daemon can read it again. Holds no secret."""

    text: str
    """SOURCE, as it was given."""
    given: Mapping[str, str] = {}
    environ: Mapping[str, str] = {}
    file: Path | None = None
    fixed: bool = False
    """The credential came from the environment: there is no place to read another one from."""

    def read(self) -> Effective:
        """Raises ConfigError."""
        return effective(self.text, given=self.given, environ=self.environ, file=self.file)


class MountOptions(msgspec.Struct, frozen=True):
    """What an `-o` list said."""

    settings: Mapping[str, str]
    kernel: tuple[str, ...] = ()
    nonempty: bool = False
    config: Path | None = None
    """Another configuration file: mount(8) has no other way to name one."""


def _split(text: str) -> Iterator[str]:
    """At commas; a backslash takes the next character as it is."""
    for item in re.findall(r"(?:[^\\,]|\\.|\\$)+", text, re.DOTALL):
        yield re.sub(r"\\(.)", r"\1", item, flags=re.DOTALL)


def of_ours(environ: Mapping[str, str]) -> dict[str, str]:
    """What of an environment says something about options: never the credential."""
    return {name: value for name, value in environ.items() if name.startswith(PREFIX) and name != "ASSETFS_CREDENTIAL"}


def mount_options(lists: Iterable[str]) -> MountOptions:
    """Read `-o a=b,c,…`: an option without a value is a yes; names may have dashes. The last one wins."""
    settings: dict[str, str] = {}
    kernel: set[str] = set()
    nonempty = False
    config = None
    for item in (item for text in lists for item in _split(text)):
        name, equals, value = item.partition("=")
        name = name.strip()
        if not equals and name in KERNEL:
            kernel.add(name)
        elif not equals and name in OPPOSITES:
            kernel.discard(OPPOSITES[name])
        elif not equals and name == "nonempty":
            nonempty = True
        elif name == "config" and value:
            config = Path(value).expanduser()
        elif not equals and name in SHORTHAND:
            settings.update([SHORTHAND[name]])
        elif name and not (name in IGNORED or name.startswith(("x-", "X-")) or name == "comment"):
            settings[name.replace("-", "_")] = value if equals else "yes"
    return MountOptions(settings, tuple(sorted(kernel)), nonempty, config)


def _document(file: Path | None) -> tuple[Path, Mapping[str, Any]]:
    """The configuration file; one that was not asked for by name may be missing."""
    place = file or default_file()
    try:
        with place.open("rb") as stream:
            document = tomllib.load(stream)
    except FileNotFoundError:
        if file is None:
            return place, {}
        raise ConfigError(f"{place} does not exist: name another file with --config") from None
    except OSError as error:
        raise ConfigError(f"{place} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place} is not valid TOML: {' '.join(str(error).split())}") from None
    for key, value in document.items():
        if key not in ("defaults", "repositories"):
            raise ConfigError(f"{place}: unknown section '{key}'{nearest(key, ['defaults', 'repositories'])}")
        if not isinstance(value, dict):
            raise ConfigError(f"{place}: '{key}' is a section: write [{key}]")
    for name, section in document.get("repositories", {}).items():
        if not isinstance(section, dict):
            raise ConfigError(f"{place}: '{name}' is a section: write [repositories.{name}]")
        if not sources.is_profile(name):
            raise ConfigError(f"{place}: a repository's name has letters, digits, dots and dashes only: '{name}'")
    return place, document


class _Layer(msgspec.Struct, frozen=True):
    """One place, what it says, and whether it serves this repository alone."""

    values: Mapping[str, Any]
    origin: str
    own: bool


def effective(
    text: str, *, given: Mapping[str, str], environ: Mapping[str, str], file: Path | None = None
) -> Effective:
    """Everything that is said about SOURCE `text`. `given` is the command line, by option name. Raises ConfigError."""
    place, document = _document(_chosen(file, environ))
    named = document.get("repositories", {})
    section: Mapping[str, Any] = {}
    profile = None
    if sources.is_profile(text):
        if text not in named:
            known = sorted(named)
            listed = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(
                f"no repository '{text}'{nearest(text, known)} in {place} ({listed}); or give a URL as jama+https://host/"
            )
        profile, section = text, named[text]
        text = section.get("source")  # type: ignore[assignment]
        if not isinstance(text, str):
            raise ConfigError(f'{place}: [repositories.{profile}] has no source: add source = "jama+https://host/"')
    everyone = {option.name: option for backend in available().values() for option in backend.options}
    layers = (
        _Layer(given, "command line", own=True),
        _Layer(_environment(environ, [*OPTIONS, *everyone]), "environment", own=False),
        _Layer({k: v for k, v in section.items() if k not in PLACES}, f"{place} [repositories.{profile}]", own=True),
        _Layer(document.get("defaults", {}), f"{place} [defaults]", own=False),
    )
    plain = _pick(OPTIONS["allow_plaintext"], layers)
    source = sources.parse(text, allow_plaintext=plain.value)
    backend = sources.backend(source.backend)
    own = {option.name: option for option in backend.options}
    _check_names(layers, source.backend, known=[*OPTIONS, *own, *PLACES], others=everyone)
    return Effective(
        source=source,
        profile=profile,
        backend=backend,
        settings={name: _pick(option, layers) for name, option in OPTIONS.items()},
        backend_settings={name: _pick(option, layers) for name, option in own.items()},
        mountpoint=_mountpoint(section, f"{place} [repositories.{profile}]"),
    )


def _mountpoint(section: Mapping[str, Any], where: str) -> Path | None:
    if "mountpoint" not in section:
        return None
    raw = section["mountpoint"]
    if not isinstance(raw, str) or not raw.startswith(("/", "~/")):
        raise ConfigError(f"mountpoint = {raw!r} ({where}): it is an absolute path, or begins with ~/")
    return Path(raw).expanduser()


def repositories(*, environ: Mapping[str, str], file: Path | None = None) -> tuple[Path, list[str]]:
    """The configuration file, and the names of the repositories in it. Raises ConfigError."""
    place, document = _document(_chosen(file, environ))
    return place, sorted(document.get("repositories", {}))


def _chosen(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    if file is None and environ.get("ASSETFS_CONFIG"):
        return Path(environ["ASSETFS_CONFIG"]).expanduser()
    return file


def _environment(environ: Mapping[str, str], known: list[str]) -> dict[str, str]:
    found = {}
    for variable, value in environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith((PREFIX + "TEST_", PREFIX + "LIVE_")) and variable not in RESERVED:
            if not variable.startswith(PREFIX):
                continue
            if name not in known:
                suggestion = nearest(variable, [PREFIX + option.upper() for option in known])
                raise ConfigError(f"unknown option {variable} in the environment{suggestion}")
            found[name] = value
    return found


def _check_names(layers: Iterable[_Layer], backend: str, known: list[str], others: Mapping[str, Option]) -> None:
    for layer in layers:
        for name in layer.values:
            if name in known or (name in others and not layer.own):
                continue
            if name in others:
                raise ConfigError(f"the option '{name}' is not one of {backend} ({layer.origin}): leave it out")
            raise ConfigError(f"unknown option '{name}'{nearest(name, known)} ({layer.origin})")


def _pick(option: Option, layers: Iterable[_Layer]) -> Setting:
    """The first place that says something."""
    for layer in layers:
        if option.name in layer.values:
            raw = layer.values[option.name]
            try:
                return Setting(read(option, raw), layer.origin)
            except ValueError as error:
                raise ConfigError(f"{option.name} = {raw!r} ({layer.origin}): {error}") from None
    return Setting(option.default, "default")
