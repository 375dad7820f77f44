"""Where a credential comes from: environment, a private file, a command, systemd, the keyring, in this order.

The first that has one wins; one that was asked for by name and fails is an error, and not a reason to try the next.
A credential is one line of text. It is never an option, never printed, and no message here repeats any of it.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from assetfs.failure import Failure, Status

VARIABLE = "ASSETFS_CREDENTIAL"
SERVICE = "assetfs"
"""The keyring's name for us; the user name there is the profile, or the URL."""
COMMAND_DEADLINE = 60.0
"""Seconds: somebody may have to type a passphrase."""
_LONGEST = 64 << 10


class CredentialError(Failure):
    """There is no usable credential."""

    status = Status.REFUSED


def find(
    name: str, *, called: str = "credential", environ: Mapping[str, str], file: Path | None, command: Sequence[str]
) -> str | None:
    """The credential for the profile or URL `name`, or None if no place has one. `called` is what its users call it."""
    if VARIABLE in environ:
        return cleaned(environ[VARIABLE], VARIABLE)
    if file is not None:
        return cleaned(read_private(file), str(file))
    if command:
        return cleaned(_run(command), "the output of credential_command")
    directory = environ.get("CREDENTIALS_DIRECTORY")
    for candidate in (name, "assetfs") if directory else ():
        place = Path(directory or "", candidate)
        if "/" not in candidate and place.is_file():
            return cleaned(_read(place), f"systemd's credential {candidate}")
    kept = _from_keyring(name)
    return None if kept is None else cleaned(kept, f"the keyring's {called}")


def place(name: str, *, environ: Mapping[str, str], file: Path | None, command: Sequence[str]) -> str:
    """Where `find` would take it from, for people. Nothing is read."""
    if VARIABLE in environ:
        return f"{VARIABLE} in the environment"
    if file is not None:
        return f"credential_file {file}"
    if command:
        return f"credential_command {command[0]}"
    directory = environ.get("CREDENTIALS_DIRECTORY")
    for candidate in (name, "assetfs") if directory else ():
        if "/" not in candidate and Path(directory or "", candidate).is_file():
            return f"systemd's credential {candidate}"
    return "the keyring, if it has one: assetfs login"


def keyring_or_fail() -> None:
    """Raises CredentialError where nothing can be kept: no keyring is installed, or no desktop keeps one."""
    try:
        import keyring
        from keyring.backends import fail
    except ImportError:
        raise CredentialError(
            "the keyring is not installed: pip install 'assetfs[keyring]', or use credential_file"
        ) from None
    if isinstance(keyring.get_keyring(), fail.Keyring):
        raise CredentialError("this machine has no keyring to keep it in: use credential_file or credential_command")


def keep(name: str, secret: str) -> None:
    """Put it into the keyring. Raises CredentialError."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, name, secret)
    except (KeyringError, RuntimeError, OSError) as error:
        raise CredentialError(f"the keyring does not take it ({type(error).__name__}): is it locked?") from None


def forget(name: str) -> None:
    """Take it out of the keyring. Raises CredentialError where it has none."""
    keyring_or_fail()
    import keyring
    from keyring.errors import KeyringError, PasswordDeleteError

    try:
        keyring.delete_password(SERVICE, name)
    except PasswordDeleteError:
        raise CredentialError(f"the keyring has nothing of {name}") from None
    except (KeyringError, RuntimeError, OSError) as error:
        raise CredentialError(f"the keyring does not answer ({type(error).__name__}): is it locked?") from None


def missing(called: str) -> CredentialError:
    """The error that names the ways."""
    return CredentialError(
        f"there is no {called}: set {VARIABLE}, credential_file or credential_command, or keep it in the keyring"
    )


def cleaned(text: str, where: str) -> str:
    """Without its one trailing newline; the rest must be one line, because it becomes a header."""
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise CredentialError(f"{where} is empty: it should hold the credential")
    if not text.isprintable():
        raise CredentialError(f"{where} is not one line of text: it should hold the credential and nothing else")
    return text


def _read(place: Path) -> str:
    try:
        with place.open("rb") as stream:
            return stream.read(_LONGEST).decode()
    except OSError as error:
        raise CredentialError(f"{place} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CredentialError(f"{place} is not text") from None


def read_private(place: Path) -> str:
    """A file that only its owner can read: ours, or root's."""
    try:
        with place.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CredentialError(f"credential_file {place} is not a file")
            if status.st_uid not in (os.geteuid(), 0):
                raise CredentialError(f"credential_file {place} belongs to another user: use one of your own")
            if status.st_mode & 0o077:
                raise CredentialError(f"credential_file {place} can be read by others: chmod 600 it")
            return stream.read(_LONGEST).decode()
    except OSError as error:
        raise CredentialError(f"credential_file {place} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CredentialError(f"credential_file {place} is not text") from None


def _run(command: Sequence[str]) -> str:
    """What the command prints. No shell; what it says on stderr is kept from the terminal, it may be anything."""
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    try:
        done = subprocess.run(  # noqa: S603
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_DEADLINE, env=environment
        )
    except OSError as error:
        raise CredentialError(f"credential_command cannot be run: {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise CredentialError(f"credential_command took longer than {COMMAND_DEADLINE:.0f} s") from None
    if done.returncode != 0:
        raise CredentialError(f"credential_command failed with status {done.returncode}: run it by hand to see why")
    try:
        return done.stdout[:_LONGEST].decode()
    except UnicodeDecodeError:
        raise CredentialError("credential_command printed something that is not text") from None


def _from_keyring(name: str) -> str | None:
    """The keyring is optional, and may have no desktop to ask: then there is nothing in it."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        kept: str | None = keyring.get_password(SERVICE, name)
    except (KeyringError, RuntimeError, OSError):
        return None
    return kept
