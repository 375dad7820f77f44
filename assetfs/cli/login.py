"""`assetfs login`: ask for the credential, try it on the server, and keep it in the keyring only if it opens it."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import trio
import typer

from assetfs import credentials
from assetfs.cli.arguments import ConfigFile, Lists, Source, settings
from assetfs.config import MountConfig, mount_config
from assetfs.failure import Failure, Status
from assetfs.repository import CodeWanted, Identity, NotAuthenticated, RepositoryError


def login(
    source: Source,
    file: ConfigFile = None,
    lists: Lists = None,
    forget: Annotated[bool, typer.Option("--forget", help="Take it out of the keyring.")] = False,
) -> int:
    """Ask for the credential, try it, and keep it in the keyring."""
    settled = settings(source, file, lists)
    if forget:
        credentials.forget(settled.name)
        print(f"The keyring has no {settled.backend.secret_name} of {settled.name} any more.")
        return Status.DONE
    credentials.keyring_or_fail()
    secret = _ask(f"{settled.backend.secret_name} for {settled.name}: ")
    try:
        identity, lasting = try_out(mount_config(settled, Path("/"), secret=secret))
    except CodeWanted:
        code = _ask("One-time code: ")
        identity, lasting = try_out(mount_config(settled, Path("/"), secret=f"{secret} {code}"))
    credentials.keep(settled.name, lasting)
    print(f"{identity.server} at {identity.url} knows you as {identity.user}; the keyring has it.")
    return Status.DONE


def _ask(prompt: str) -> str:
    """From the terminal without an echo; one line from a pipe otherwise."""
    try:
        typed = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    except EOFError:
        typed = ""
    return credentials.cleaned(typed, "what was typed")


def try_out(config: MountConfig) -> tuple[Identity, str]:
    """Who the server says that we are, and the secret to keep. Raises Failure; CodeWanted where the secret is not all
    that the server asks for."""
    from assetfs.backends import available

    async def connect() -> tuple[Identity, str]:
        repository = available()[config.address.backend].open(config.address, config.transport)
        try:
            with trio.fail_after(config.timeout):
                identity = await repository.connect()
                return identity, repository.lasting_secret or config.address.secret
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await repository.close()

    try:
        return trio.run(connect)
    except CodeWanted as error:
        if " " in config.address.secret:
            raise Failure(f"{error}: it is not kept", Status.REFUSED) from None
        raise
    except NotAuthenticated as error:
        raise Failure(f"{error}: it is not kept", Status.REFUSED) from None
    except RepositoryError as error:
        raise Failure(str(error), Status.UNREACHABLE if error.transient else Status.FAILED) from None
    except trio.TooSlowError:
        raise Failure(f"{config.source} did not answer in time", Status.UNREACHABLE) from None
