"""Everything that a person can get wrong at the command line: one line on stderr, a documented status, nothing left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assetfs.cli import mountinfo, records
from assetfs.failure import Failure
from tests.sandboxes import RunningSandbox

from .conftest import SECRET, Done

Command = Callable[..., Done]
URL = "jama+https://assets.example.org/rpc/"


@pytest.fixture
def mount(assetfs: Command, mountpoint: Path) -> Iterator[Command]:
    """`assetfs mount` with a credential; whatever it does wrong, it leaves no mount and no record."""

    def run(*arguments: object, **environ: str) -> Done:
        return assetfs("mount", *arguments, **{"ASSETFS_CREDENTIAL": SECRET, **environ})

    yield run
    assert records.read(mountpoint) is None
    assert mountinfo.at(mountpoint) is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("jamma+https://host/", ["unknown protocol 'jamma'", "did you mean 'jama'", "installed: "]),
        ("https://host/", ["which protocol", "+https://host/"]),
        ("jama+https://", ["no valid host"]),
        ("jama+https://host:port/", ["malformed"]),
        ("jama+http://assets.example.org/", ["plain http", "allow_plaintext"]),
        (f"jama+https://ann:{SECRET}@host/", ["may not stand in the URL", "ASSETFS_CREDENTIAL"]),
        (f"jama+https://host/?key={SECRET}", ["no ?"]),
        ("musem", ["no repository 'musem'", "config.toml"]),
    ],
)
def test_sources_that_cannot_be(mount: Command, mountpoint: Path, source: str, words: list[str]) -> None:
    done = mount(source, mountpoint)
    assert done.status == 2
    for word in words:
        assert word in done.line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cache-sze", "1G"], ["--cache-sze", "--cache-size"]),
        (["--cache-size", "big"], ["cache_size", "command line", "10G"]),
        (["--write-mode", "sideways"], ["write_mode", "back, through"]),
        (["-o", "cache_sze=1G"], ["unknown option 'cache_sze'", "did you mean 'cache_size'"]),
        (["-o", "recal"], ["unknown option 'recal'"]),
        (["--config", "/no/such/file"], ["/no/such/file does not exist"]),
        (["--ca-file", "/no/such/file"], ["ca_file /no/such/file cannot be read"]),
    ],
)
def test_options_that_cannot_be(mount: Command, mountpoint: Path, arguments: list[str], words: list[str]) -> None:
    done = mount(URL, mountpoint, *arguments)
    assert done.status == 2
    for word in words:
        assert word in done.line


def test_an_unknown_variable(mount: Command, mountpoint: Path) -> None:
    done = mount(URL, mountpoint, ASSETFS_CASHE_SIZE="1G")
    assert done.status == 2
    assert "did you mean 'ASSETFS_CACHE_SIZE'" in done.line


@pytest.mark.parametrize("arguments", [[], ["mount"], ["mount", URL], ["mont", "a", "b"], ["umount"], ["--nonsense"]])
def test_incomplete_commands(assetfs: Command, arguments: list[str]) -> None:
    done = assetfs(*arguments)
    assert done.status == 2 or not arguments
    assert not arguments or done.line


def test_mount_points_that_cannot_be(mount: Command, mountpoint: Path) -> None:
    def refused(place: Path, word: str) -> None:
        done = mount(URL, place)
        assert done.status == 2
        assert word in done.line

    refused(mountpoint / "missing", "does not exist")
    file = mountpoint / "file"
    file.touch()
    refused(file, "is not a folder")
    refused(mountpoint, "is not empty")
    assert list(mountpoint.iterdir()) == [file]
    refused(Path("/proc"), "is a mount point already (proc): umount it first")


def test_folders_that_are_not_ours(mount: Command, mountpoint: Path, tmp_path: Path) -> None:
    def refused(option: str, place: Path, word: str) -> None:
        done = mount(URL, mountpoint, option, place)
        assert done.status == 2
        assert word in done.line

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    refused("--cache-dir", shared, "can be written by others")
    refused("--state-dir", shared, "can be written by others")
    shared.chmod(0o700)
    refused("--cache-dir", mountpoint / "below", "is below the mount point")
    refused("--state-dir", mountpoint.parent, "the mount point is below")
    (tmp_path / "file").touch()
    refused("--cache-dir", tmp_path / "file", "is not a folder")
    if os.geteuid() == 0:
        os.chown(shared, 12345, 12345)
        refused("--cache-dir", shared, "belongs to another user")
    assert not any(mountpoint.iterdir())


def test_folders_that_are_made_are_private(mount: Command, mountpoint: Path, tmp_path: Path) -> None:
    places = tmp_path / "new" / "cache", tmp_path / "new" / "state"
    done = mount(URL, mountpoint, "--cache-dir", places[0], "--state-dir", places[1], ASSETFS_CREDENTIAL="two\nlines")
    assert done.status == 4
    assert "not one line" in done.line
    for place in places:
        assert place.stat().st_mode & 0o777 == 0o700


def test_no_fuse_device(tmp_path: Path, mountpoint: Path) -> None:
    from assetfs.cli import preflight

    plan = preflight.Plan(
        mountpoint=mountpoint, cache_dir=tmp_path / "c", state_dir=tmp_path / "s", device=tmp_path / "fuse"
    )
    with pytest.raises(Failure, match="fuse is missing: load the fuse module") as caught:
        preflight.check(plan)
    assert caught.value.status == 1
    assert not (tmp_path / "c").exists()


def test_no_fusermount(mount: Command, mountpoint: Path) -> None:
    done = mount(URL, mountpoint, PATH="/nowhere")
    assert done.status == 1
    assert "install the package fuse3" in done.line


def test_no_credential(assetfs: Command, mountpoint: Path) -> None:
    done = assetfs("mount", URL, mountpoint)
    assert done.status == 4
    for word in ("ASSETFS_CREDENTIAL", "credential_file", "credential_command", "keyring"):
        assert word in done.line


def test_a_credential_file_that_others_can_read(assetfs: Command, mountpoint: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o644)
    done = assetfs("mount", URL, mountpoint, "-o", f"credential_file={key}")
    assert done.status == 4
    assert "chmod 600" in done.line


@pytest.mark.mount
def test_a_server_that_is_not_there(mount: Command, mountpoint: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = mount(f"jama+http://127.0.0.1:{taken.getsockname()[1]}/rpc/", mountpoint, "--timeout", "3s")
    assert done.status == 3
    assert done.line


@pytest.mark.mount
def test_a_key_that_is_refused(mount: Command, mountpoint: Path, demo_sandbox: RunningSandbox) -> None:
    done = mount(demo_sandbox.source, mountpoint)
    assert done.status == 4
    assert done.line


@pytest.mark.mount
def test_a_folder_that_is_not_in_the_repository(mount: Command, mountpoint: Path, demo_sandbox: RunningSandbox) -> None:
    done = mount(demo_sandbox.source, mountpoint, "--root", "no/such", ASSETFS_CREDENTIAL=demo_sandbox.credential)
    assert done.status == 2
    assert done.line


@pytest.mark.mount
def test_from_mount_to_umount(assetfs: Command, mountpoint: Path, demo_sandbox: RunningSandbox) -> None:
    key = {"ASSETFS_CREDENTIAL": demo_sandbox.credential}
    done = assetfs("mount", demo_sandbox.source, mountpoint, **key)
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert any(mountpoint.iterdir())
    again = assetfs("mount", demo_sandbox.source, mountpoint, **key)
    assert again.status == 2
    assert "is a mount point already" in again.line
    assert assetfs("status", mountpoint).status == 0
    done = assetfs("umount", mountpoint)
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert not any(mountpoint.iterdir())


@pytest.mark.mount
def test_a_repository_of_the_configuration_file(
    assetfs: Command, mountpoint: Path, demo_sandbox: RunningSandbox, no_settings_of_the_user: Path
) -> None:
    key = no_settings_of_the_user / "key"
    key.touch(mode=0o600)
    key.write_text(demo_sandbox.credential + "\n")
    settings = no_settings_of_the_user / "config" / "assetfs" / "config.toml"
    settings.parent.mkdir()
    settings.write_text(f'[repositories.museum]\nsource = "{demo_sandbox.source}"\ncredential_file = "{key}"\n')
    assert assetfs("mount", "museum", mountpoint).status == 0
    assert (record := records.read(mountpoint)) is not None
    assert record.source == "museum"
    assert assetfs("umount", mountpoint).status == 0


@pytest.mark.mount
def test_mount_8_and_its_helper(assetfs: Command, mountpoint: Path, demo_sandbox: RunningSandbox) -> None:
    key = {"ASSETFS_CREDENTIAL": demo_sandbox.credential}
    helper = "assetfs.cli.mount_helper"
    command = [sys.executable, "-c", f"from {helper} import run; run()"]
    options = ["-o", "rw,nodev,noexec,cache_size=1G,uid=1"]

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **key}, timeout=60
        )

    assert run(demo_sandbox.source, mountpoint, "-f", *options).returncode == 0
    assert mountinfo.at(mountpoint) is None
    assert run(demo_sandbox.source, mountpoint, "-n", "-s", *options).returncode == 0
    assert next(mountpoint.iterdir()).stat().st_uid == 1
    assert "noexec" in next(line for line in Path("/proc/mounts").read_text().splitlines() if str(mountpoint) in line)
    assert assetfs("umount", mountpoint).status == 0
    assert run(demo_sandbox.source).stderr.startswith("assetfs: usage: mount.assetfs")
    # mount.fuse(8) calls the program itself:
    assert assetfs(demo_sandbox.source, mountpoint, "-o", "ro,dev", **key).status == 0
    assert assetfs("umount", mountpoint).status == 0


@pytest.mark.mount
def test_in_the_foreground_it_stays_until_it_is_told_to_end(
    mountpoint: Path, demo_sandbox: RunningSandbox, tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        process = subprocess.Popen(
            [sys.executable, "-m", "assetfs", "mount", "-f", demo_sandbox.source, str(mountpoint)],
            env={
                **os.environ,
                "ASSETFS_CREDENTIAL": demo_sandbox.credential,
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            },
            stderr=subprocess.PIPE,
        )
        try:
            assert b"READY=1" in systemd.recv(4096)
            assert any(mountpoint.iterdir())
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 0
    assert demo_sandbox.credential not in said
    assert mountinfo.at(mountpoint) is None


@pytest.mark.mount
def test_the_tour(assetfs: Command) -> None:
    done = assetfs("demo", "--tour")
    assert done.status == 0, done.output + done.errors
    assert "The tour took" in done.output
    assert not [each for each in mountinfo.mounts() if "assetfs-demo-" in str(each.mountpoint)]


@pytest.mark.mount
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_takes_everything_with_it(
    mountpoint: Path, how: signal.Signals, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    demo = subprocess.Popen([sys.executable, "-m", "assetfs", "demo", str(mountpoint)], stdout=subprocess.PIPE)
    try:
        assert demo.stdout is not None
        assert str(mountpoint).encode() in demo.stdout.readline()
        record = records.read(mountpoint)
        assert record is not None
        server = [pid for pid in _processes() if _parent(pid) == demo.pid]
        assert server
    finally:
        demo.send_signal(how)
        demo.communicate(timeout=30)
    assert mountinfo.at(mountpoint) is None
    assert not record.alive
    assert not any(records.born(pid) for pid in server)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_help_is_quick_and_says_how(assetfs: Command) -> None:
    for arguments, word in (
        (["--help"], "Examples"),
        (["mount", "--help"], "--cache-size"),
        (["umount", "-h"], "lazy"),
    ):
        done = assetfs(*arguments)
        assert (done.status, done.errors) == (0, "")
        assert word in done.output
    loaded = "import sys; from assetfs.cli.main import application; application(None); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx", "trio", "pyfuse3", "assetfs.config", "assetfs.daemon"} & set(modules)


def test_the_version(assetfs: Command) -> None:
    from assetfs import __version__

    assert assetfs("--version").output == f"assetfs {__version__}\n"
