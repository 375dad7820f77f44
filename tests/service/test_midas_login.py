"""`assetfs login` to a Midas Server whose account has a second factor: from the terminal to a mounted drive."""

from __future__ import annotations

import errno
import json
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.backends.midas import MidasWorld
from tests.mounts import error_of, eventually
from tests.sandboxes import RunningSandbox, start_sandbox

from .conftest import Home
from .test_commands import KEYRING

CODE = "123456"


@pytest.fixture
def clinic(home: Home) -> Iterator[RunningSandbox]:
    """A server of that name in the configuration, and a keyring in a file."""
    with start_sandbox("midas", seed="demo") as running:
        (home.place / "inafile.py").write_text(KEYRING)
        home.environ |= {
            "PYTHON_KEYRING_BACKEND": "inafile.InAFile",
            "PYTHONPATH": f"{home.place}:{os.environ.get('PYTHONPATH', '')}",
            "KEYRING_FILE": str(home.place / "keyring.json"),
        }
        home.config.write_text(f'[repositories.clinic]\nsource = "{running.source}"\nlist_timeout = "0s"\n')
        yield running


def kept(home: Home) -> str:
    found = json.loads((home.place / "keyring.json").read_text())
    return str(found["assetfs clinic"])


def at_a_terminal(home: Home, answers: dict[str, str]) -> tuple[int, str]:
    """`assetfs login clinic` at a terminal, where each question gets its answer. Returns status and screen."""
    process, terminal = pty.fork()
    if not process:
        os.execve(home.program[0], [*home.program, "login", "clinic"], home.environ)
    screen = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        screen += piece
        for question in [one for one in answers if screen.decode(errors="replace").rstrip().endswith(one)]:
            os.write(terminal, answers.pop(question).encode() + b"\n")
        if not piece:
            break
    os.close(terminal)
    assert not answers, f"nobody asked for {list(answers)}: {screen.decode()}"
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), screen.decode()


@pytest.mark.mount
def test_a_second_factor_is_asked_for_and_what_it_brings_is_kept(home: Home, clinic: RunningSandbox) -> None:
    world = MidasWorld(clinic)
    clinic.switch(mfa=CODE)
    key = clinic.credential
    status, screen = at_a_terminal(home, {"API key or password for clinic:": key, "One-time code:": "654321"})
    assert status == 4
    assert "not kept" in screen
    assert not (home.place / "keyring.json").exists()
    status, screen = at_a_terminal(home, {"API key or password for clinic:": key, "One-time code:": CODE})
    assert status == 0, screen
    assert "knows you as ada@example.org" in screen
    assert key not in screen
    assert CODE not in screen
    secret, _, token = kept(home).partition(" token:")
    assert (secret, len(token)) == (key, 32)

    drive = home.folder("drive")
    home.run("mount", "clinic", drive)
    assert "Phantom Atlas" in os.listdir(drive / "communities")
    world.end_tokens()
    assert error_of(lambda: os.listdir(drive / "users/Ada_Sandbox/Private")) == errno.EACCES
    clinic.switch(mfa="777777")
    home.run("login", "clinic", said=f"{clinic.info['password']}\n777777\n")
    assert kept(home).startswith(f"{clinic.info['password']} token:")
    private = Path(drive / "users/Ada_Sandbox/Private")
    assert eventually(lambda: error_of(lambda: os.listdir(private)) is None, 60), (
        "the drive takes the new one by itself"
    )
    home.run("umount", drive)
