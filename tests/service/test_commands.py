"""Setting it up and finding out what is wrong: config, login, doctor, cache, completion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from assetfs.backends import available
from assetfs.config import OPTIONS, effective
from tests import wire
from tests.sandboxes import RunningSandbox

from .conftest import Home

KEYRING = """
import json, os
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

class InAFile(KeyringBackend):
    priority = 1
    place = os.environ["KEYRING_FILE"]
    def _all(self):
        return json.load(open(self.place)) if os.path.exists(self.place) else {}
    def _put(self, kept):
        json.dump(kept, open(self.place, "w"))
    def get_password(self, service, name):
        return self._all().get(f"{service} {name}")
    def set_password(self, service, name, secret):
        self._put({**self._all(), f"{service} {name}": secret})
    def delete_password(self, service, name):
        kept = self._all()
        if kept.pop(f"{service} {name}", None) is None:
            raise PasswordDeleteError
        self._put(kept)
"""


def test_config_init_writes_every_option_as_a_comment(home: Home) -> None:
    place = Path(home.run("config", "init").stdout.strip())
    assert place == home.config
    assert place.stat().st_mode & 0o777 == 0o600
    text = place.read_text()
    assert tomllib.loads(text) == {"defaults": {}}
    for option in [*OPTIONS.values(), *(option for backend in available().values() for option in backend.options)]:
        assert f"\n#{option.name} = " in text, option.name
    again = home.run("config", "init", check=False)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert place.read_text() == text


def test_every_line_of_it_is_good_once_it_is_no_comment(home: Home, tmp_path: Path) -> None:
    """Who takes the # away gets the default."""
    home.run("config", "init")
    lines = home.config.read_text().splitlines()
    uncommented = [line.removeprefix("#") for line in lines if line.startswith(("#[", "[")) or _is_option(line)]
    text = "\n".join(line for line in uncommented if not line.endswith('""') and "mountpoint" not in line)
    common = text.split("[repositories.museum]")[0]
    file = tmp_path / "config.toml"
    file.write_text(common + '\n[repositories.museum]\nsource = "jama+https://host/"\n')
    settings = effective("museum", given={}, environ={}, file=file)
    for name, option in OPTIONS.items():
        assert settings.settings[name].value == option.default, name


def _is_option(line: str) -> bool:
    name = line.removeprefix("#").split(" = ")[0]
    return line.startswith("#") and " = " in line and name in OPTIONS


def test_config_show_says_who_said_what(home: Home) -> None:
    home.config.write_text(
        '[defaults]\ncache_size = "5G"\n[repositories.museum]\nsource = "jama+https://host/"\nuploads = 2\n'
        'credential_command = ["pass", "show", "museum/secret-name"]\n'
    )
    told = json.loads(home.run("config", "show", "museum", "--json", "-o", "ro", ASSETFS_DRAIN="9s").stdout)
    assert told["cache_size"] == {"value": "5G", "origin": f"{home.config} [defaults]"}
    assert told["uploads"] == {"value": "2", "origin": f"{home.config} [repositories.museum]"}
    assert told["drain"] == {"value": "9s", "origin": "environment"}
    assert told["read_only"] == {"value": "yes", "origin": "command line"}
    assert told["memory"] == {"value": "256M", "origin": "default"}
    assert told["uid"]["origin"] == "worked out for this machine"
    assert told["credential"]["origin"] == "credential_command pass"
    assert "secret-name" not in json.dumps(told)
    assert set(told) >= {*OPTIONS, *(option.name for option in available()["jama"].options)}
    shown = home.run("config", "show", "museum").stdout
    assert "cache_size" in shown
    assert home.run("config", "show").stdout.splitlines() == [f"# {home.config}", "museum"]
    wrong = home.run("config", "show", "musem", check=False)
    assert wrong.returncode == 2
    assert "did you mean 'museum'" in wrong.stderr


@pytest.fixture
def keyring(home: Home) -> dict[str, str]:
    (home.place / "inafile.py").write_text(KEYRING)
    return {
        "PYTHON_KEYRING_BACKEND": "inafile.InAFile",
        "PYTHONPATH": f"{home.place}:{os.environ.get('PYTHONPATH', '')}",
        "KEYRING_FILE": str(home.place / "keyring.json"),
    }


def test_login_tries_before_it_keeps(home: Home, demo_sandbox: RunningSandbox, keyring: dict[str, str]) -> None:
    kept = home.place / "keyring.json"
    home.config.write_text(f'[repositories.museum]\nsource = "{demo_sandbox.source}"\n')
    wrong = home.run("login", "museum", said="no-such-key\n", check=False, **keyring)
    assert wrong.returncode == 4, wrong.stderr
    assert "not kept" in wrong.stderr
    assert not kept.exists()
    empty = home.run("login", "museum", said="\n", check=False, **keyring)
    assert empty.returncode == 4
    done = home.run("login", "museum", said=demo_sandbox.credential + "\n", **keyring)
    assert "knows you as admin" in done.stdout
    assert demo_sandbox.credential not in done.stdout + done.stderr
    assert json.loads(kept.read_text()) == {"assetfs museum": demo_sandbox.credential}
    assert "ok credential: from the keyring" in home.run("doctor", "museum", check=False, **keyring).stdout
    home.run("login", "museum", "--forget", **keyring)
    assert json.loads(kept.read_text()) == {}
    gone = home.run("login", "museum", "--forget", check=False, **keyring)
    assert gone.returncode == 4


@pytest.mark.mount
def test_what_the_keyring_has_mounts(home: Home, demo_sandbox: RunningSandbox, keyring: dict[str, str]) -> None:
    home.config.write_text(f'[repositories.museum]\nsource = "{demo_sandbox.source}"\n')
    home.run("login", "museum", said=demo_sandbox.credential, **keyring)
    place = home.folder("drive")
    home.run("mount", "museum", place, **keyring)
    assert os.listdir(place)
    home.run("umount", place)


def test_doctor_looks_at_the_machine_and_the_way(home: Home, demo_sandbox: RunningSandbox) -> None:
    home.repository("museum", demo_sandbox)
    told = json.loads(home.run("doctor", "museum", "--json", check=False).stdout)
    found = {finding["about"]: finding for finding in told}
    assert {"kernel", "python", "/dev/fuse", "libfuse", "pyfuse3", "backends", "cache", "state"} <= set(found)
    assert {"DNS", "proxy", "TLS", "clock", "credential", "server", "round trip", "ranges"} <= set(found)
    for about in ("DNS", "credential", "server", "ranges"):
        assert found[about]["level"] == "ok", found[about]
    assert "as admin" in found["server"]["what"]
    assert all(finding["advice"] for finding in told if finding["level"] == "bad")


def test_doctor_says_what_to_do(home: Home, demo_sandbox: RunningSandbox) -> None:
    home.repository("museum", demo_sandbox, secret="wrong-key")
    done = home.run("doctor", "museum", check=False)
    assert done.returncode == 1
    assert " BAD server: " in done.stdout
    assert "assetfs login, or a new credential_file" in done.stdout
    home.key("museum", "x").chmod(0o644)
    assert "chmod 600 it" in home.run("doctor", "museum", check=False).stdout
    nowhere = home.run("doctor", "jama+https://no-such-host.invalid/", check=False, ASSETFS_CREDENTIAL="x").stdout
    assert " BAD DNS: no-such-host.invalid is not known" in nowhere
    home.config.write_text("[repositories.museum]\nsource = 'jama+https://h/'\ncach = 1\n")
    assert " BAD configuration: unknown option 'cach'" in home.run("doctor", "museum", check=False).stdout
    missing = home.run("doctor", check=False, PATH="/nowhere").stdout
    assert " BAD fusermount3: it is not installed\n      install the package fuse3" in missing


def test_a_server_without_ranges_is_noted(home: Home, sandbox: RunningSandbox) -> None:
    sandbox.upload("large.bin", os.urandom(100_000), collection=wire.root(sandbox))
    sandbox.arm("no_range", count=None)
    home.repository("museum", sandbox)
    told = home.run("doctor", "museum", check=False).stdout
    assert "note ranges" in told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_three_shells(home: Home, shell: str) -> None:
    script = home.run("completion", shell).stdout
    assert "_ASSETFS_COMPLETE" in script
    program = shutil.which(shell)
    if program is not None:
        assert subprocess.run([program, "-n"], input=script, text=True, capture_output=True).returncode == 0


def _with_the_program(home: Home) -> str:
    """A PATH on which `assetfs` is, with two repositories to complete."""
    home.config.write_text('[repositories.museum]\nsource = "jama+https://h/"\n[repositories.studio]\nsource = "x"\n')
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(home: Home) -> None:
    path = _with_the_program(home)
    lines = "assetfs um", "assetfs mount mus", "assetfs config s"
    script = "assetfs completion fish | source; for line in $argv; complete -C $line; end"
    done = subprocess.run(
        ["fish", "-c", script, *lines], capture_output=True, text=True, env={**home.environ, "PATH": path}
    )
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ["umount", "museum", "show"]


ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1='' fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; bindkey ^I expand-or-complete"
zpty -w shell "echo rea''dy"
while zpty -r shell line && [[ $line != *ready* ]]; do :; done
zpty -w -n shell "assetfs $2"$'\t'
while zpty -r shell line '*'"$3"'*'; do print -r -- "$line"; exit 0; done
exit 1
"""
"""Types a word and Tab into a new zsh that finds the script in $fpath, and waits for what it becomes."""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_at_the_first_tab(home: Home, tmp_path: Path) -> None:
    path = _with_the_program(home)
    (tmp_path / "_assetfs").write_text(home.run("completion", "zsh").stdout)
    for typed, becomes in (("umou", "assetfs umount"), ("mount --cache-s", "--cache-size")):
        done = subprocess.run(
            ["zsh", "-f", "-c", ZSH, "zsh", tmp_path, typed, becomes],
            env={**home.environ, "PATH": path, "TERM": "dumb"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout


def test_bash_completes_commands_options_and_names(home: Home) -> None:
    home.config.write_text('[repositories.museum]\nsource = "jama+https://h/"\n[repositories.studio]\nsource = "x"\n')

    def completed(*words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-m", "assetfs"],
            capture_output=True,
            text=True,
            env={
                **home.environ,
                "_ASSETFS_COMPLETE": "complete_bash",
                "COMP_WORDS": " ".join(words),
                "COMP_CWORD": str(len(words) - 1),
            },
        )
        return done.stdout.split()

    assert "status" in completed("assetfs", "sta")
    assert "--cache-size" in completed("assetfs", "mount", "--cache-s")
    assert completed("assetfs", "mount", "mus") == ["museum"]
    assert completed("assetfs", "config", "show", "st") == ["studio"]
