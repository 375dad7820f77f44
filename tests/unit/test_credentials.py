"""Credentials: the order, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from assetfs import credentials
from assetfs.credentials import CredentialError, find


def _private(place: Path, text: str) -> Path:
    place.write_text(text)
    place.chmod(0o600)
    return place


def _printing(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A credential in every place."""
    systemd = tmp_path / "systemd"
    systemd.mkdir()
    (systemd / "museum").write_text("from-systemd\n")
    (systemd / "assetfs").write_text("from-systemd-for-all\n")
    monkeypatch.setattr(credentials, "_from_keyring", lambda name: "from-keyring")
    return {
        "environ": {"ASSETFS_CREDENTIAL": "from-environment", "CREDENTIALS_DIRECTORY": str(systemd)},
        "file": _private(tmp_path / "file", "from-file\n"),
        "command": _printing("from-command"),
    }


def test_the_order_of_places(everywhere: dict[str, object]) -> None:
    def now(name: str = "museum") -> str | None:
        return find(name, **everywhere)  # type: ignore[arg-type]

    assert now() == "from-environment"
    environ = everywhere["environ"]
    assert isinstance(environ, dict)
    del environ["ASSETFS_CREDENTIAL"]
    assert now() == "from-file"
    everywhere["file"] = None
    assert now() == "from-command"
    everywhere["command"] = ()
    assert now() == "from-systemd"
    assert now("jama+https://host/museum") == "from-systemd-for-all"
    everywhere["environ"] = {}
    assert now() == "from-keyring"


def test_nothing_anywhere_names_the_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_from_keyring", lambda name: None)
    assert find("museum", environ={}, file=None, command=()) is None
    error = credentials.missing("API key")
    assert error.status == 4
    for word in ("API key", "ASSETFS_CREDENTIAL", "credential_file", "credential_command", "keyring"):
        assert word in str(error)


def test_exactly_one_trailing_newline_goes(tmp_path: Path) -> None:
    assert find("x", environ={}, file=_private(tmp_path / "f", " key \n"), command=()) == " key "


@pytest.mark.parametrize("text", ["", "\n", "  \n", "hush\ntwo\n", "hush\n\n", "hush\there", "hush\0"])
def test_what_is_not_one_line_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(CredentialError) as caught:
        find("x", environ={}, file=_private(tmp_path / "f", text), command=())
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    place = _private(tmp_path / "f", "key\n")
    place.chmod(mode)
    with pytest.raises(CredentialError, match="chmod 600"):
        find("x", environ={}, file=place, command=())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = _private(tmp_path / "f", "key\n")
    os.chown(place, 12345, 12345)
    with pytest.raises(CredentialError, match="another user"):
        find("x", environ={}, file=place, command=())


def test_a_missing_file_is_an_error_and_not_a_reason_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="No such file"):
        find("x", environ={}, file=tmp_path / "none", command=_printing("key"))


def test_commands_that_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*command: str) -> str:
        with pytest.raises(CredentialError) as caught:
            find("x", environ={}, file=None, command=command)
        return str(caught.value)

    assert "status 3" in run(sys.executable, "-c", "import sys; print('hush', file=sys.stderr); sys.exit(3)")
    assert "No such file" in run("/no/such/command")
    assert "not text" in run(sys.executable, "-c", "import os; os.write(1, b'\\xff')")
    monkeypatch.setattr(credentials, "COMMAND_DEADLINE", 0.2)
    assert "longer than" in run(sys.executable, "-c", "import time; time.sleep(60)")


def test_no_shell_looks_at_the_command() -> None:
    command = (sys.executable, "-c", "import sys; print(sys.argv[1])", "$(id)")
    assert find("x", environ={}, file=None, command=command) == "$(id)"
