"""Configuration: precedence, unknown keys, -o lists, and that table and structure agree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetfs.backends import Backend, Option
from assetfs.cli import launch
from assetfs.config import OPTIONS, ConfigError, MountConfig, effective, load, mount_config, mount_options, source
from assetfs.config.table import AUTO

URL = "jama+https://assets.example.org/rpc/"
NOT_IN_MOUNT = {"credential_file", "credential_command"}
IN_TRANSPORT = {"connect_timeout", "read_timeout", "ca_file", "client_cert", "allow_plaintext"}


def _open(*_: object) -> Any:
    raise AssertionError("no test here opens a repository")


BACKENDS = {
    "jama": Backend("jama", "Jama", _open, (Option("project", str, "", "Project."),)),
    "jdma": Backend("jdma", "JDMA", _open, (Option("recall", str, "wait", "Policy.", None, ("wait", "fail")),)),
}


@pytest.fixture(autouse=True)
def two_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "available", lambda: BACKENDS)
    monkeypatch.setattr(source, "backend", BACKENDS.__getitem__)
    monkeypatch.setattr(source, "installed", lambda: sorted(BACKENDS))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "config.toml"
    place.write_text(
        """
        [defaults]
        cache_size = "20G"
        uploads = 2
        recall = "fail"
        [repositories.museum]
        source = "jama+https://assets.example.org/rpc/"
        uploads = 3
        project = "Scans"
        local_only = ["*.tmp", "a,b"]
        """
    )
    return place


def _settings(text: str = "museum", *, given: dict[str, str] | None = None, **environ: str) -> load.Effective:
    return effective(text, given=given or {}, environ=environ)


def test_each_place_wins_over_the_next(file: Path) -> None:
    def uploads(given: dict[str, str], **environ: str) -> tuple[int, str]:
        setting = effective("museum", given=given, environ=environ, file=file).settings["uploads"]
        return setting.value, setting.origin

    assert uploads({"uploads": "5"}, ASSETFS_UPLOADS="4") == (5, "command line")
    assert uploads({}, ASSETFS_UPLOADS="4") == (4, "environment")
    assert uploads({}) == (3, f"{file} [repositories.museum]")
    settings = effective("museum", given={}, environ={}, file=file)
    assert settings.settings["cache_size"] == load.Setting(20 << 30, f"{file} [defaults]")
    assert settings.settings["downloads"] == load.Setting(16, "default")
    assert settings["local_only"] == ("*.tmp", "a,b")
    assert settings.backend_settings["project"].value == "Scans"
    assert settings.name == "museum"


def test_a_url_needs_no_file() -> None:
    assert _settings(URL).name == URL


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[default]\n", "unknown section 'default' (did you mean 'defaults'?)"),
        ("defaults = 3\n", "write [defaults]"),
        ("[repositories]\nmuseum = 'x'\n", "write [repositories.museum]"),
        ("[repositories.museum]\n", "has no source"),
        ("[repositories.museum]\nsource = 3\n", "has no source"),
        ("[repositories.museum]\nsource = 'jama+https://h/'\ncache_sze = 3\n", "did you mean 'cache_size'"),
        ("[repositories.museum]\nsource = 'jama+https://h/'\nrecall = 'wait'\n", "'recall' is not one of jama"),
        ("[repositories.museum]\nsource = 'jama+https://h/'\nuploads = 'many'\n", "it is a whole number"),
        ("[repositories.museum]\nsource = 'jama+https://h/'\nuploads = true\n", "not a yes or no"),
        ("[repositories.museum]\nsource = 'jama+https://h/'\nuploads = [1]\n", "not a list"),
        ("[repositories.museum]\nsource = 'jama+https://h/'\nfsync = 'never'\n", "one of local, server"),
        ("[repositories.museums]\nsource = 'jama+https://h/'\n", "did you mean 'museums'"),
        ("[repositories.'a b']\nsource = 'jama+https://h/'\n", "letters, digits"),
        ("[repositories\n", "not valid TOML"),
        ("", "it has none"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        effective("museum", given={}, environ={}, file=file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value) or "jama" in content


def test_unknown_options_are_errors_everywhere() -> None:
    with pytest.raises(ConfigError, match=r"'cache_sze'.*did you mean 'cache_size'.*command line"):
        _settings(URL, given={"cache_sze": "1G"})
    with pytest.raises(ConfigError, match=r"ASSETFS_CACHE_SZE.*did you mean 'ASSETFS_CACHE_SIZE'"):
        _settings(URL, ASSETFS_CACHE_SZE="1G")


def test_options_of_other_backends_are_fine_only_where_many_mounts_are_served() -> None:
    assert "recall" not in _settings(URL, ASSETFS_RECALL="fail").settings
    with pytest.raises(ConfigError, match="'recall' is not one of jama"):
        _settings(URL, given={"recall": "fail"})


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        effective(URL, given={}, environ={}, file=tmp_path / "no.toml")
    with pytest.raises(ConfigError, match="does not exist"):
        _settings(URL, ASSETFS_CONFIG=str(tmp_path / "no.toml"))


def test_mount_options_as_mount_8_has_them() -> None:
    read = mount_options(["ro,noexec,_netdev,x-systemd.automount,cache-size=1G", "uid=12,ro,rw,nonempty,allow_other"])
    assert read.settings == {"read_only": "no", "cache_size": "1G", "uid": "12", "allow_other": "yes"}
    assert read.kernel == ("noexec",)
    assert read.nonempty


def test_what_takes_a_kernel_option_back() -> None:
    assert mount_options(["noexec,noatime,exec"]).kernel == ("noatime",)


def test_programs_and_devices_of_others_gain_no_rights() -> None:
    assert mount_options(["nosuid,nodev,suid,dev"]).kernel == ("nodev", "nosuid")


_value = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20)


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), _value, min_size=1, max_size=4))
def test_escaped_commas_and_backslashes_come_through(settings: dict[str, str]) -> None:
    text = ",".join(name + "=" + re.sub(r"([\\,])", r"\\\1", value) for name, value in settings.items())
    assert mount_options([text]).settings == settings


@given(_value)
def test_no_option_list_is_too_strange(text: str) -> None:
    mount_options([text])


def test_table_and_structure_agree() -> None:
    fields = {field.name: field for field in msgspec.structs.fields(MountConfig)}
    for name, option in OPTIONS.items():
        if name in NOT_IN_MOUNT | IN_TRANSPORT:
            assert name not in fields
            continue
        default = fields[name].default
        assert default is msgspec.NODEFAULT or default == option.default or option.type is tuple, name
        assert default is not msgspec.NODEFAULT or option.default == AUTO or name == "cache_free", name


def test_backends_do_not_take_the_names_of_common_options() -> None:
    from assetfs.backends import available

    for backend in available().values():
        assert not {option.name for option in backend.options} & set(OPTIONS), backend.name


def test_what_depends_on_the_machine_is_worked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assetfs.config.mount._disk", lambda place: 50 << 30)
    config = mount_config(_settings(URL), tmp_path, secret="hush")
    assert config.cache_size == 5 << 30
    assert config.cache_free == int((50 << 30) * 0.05)
    monkeypatch.setattr("assetfs.config.mount._disk", lambda place: 1 << 50)
    assert mount_config(_settings(URL), tmp_path, secret="hush").cache_size == 10 << 30
    assert mount_config(_settings(URL, given={"cache_size": "25%"}), tmp_path, secret="").cache_size == 1 << 48


def test_the_transport_gets_its_share(tmp_path: Path) -> None:
    config = mount_config(_settings(URL, given={"timeout": "2m", "downloads": "3"}), tmp_path, secret="")
    assert (config.transport.deadline, config.transport.content_connections) == (120.0, 3)


def test_a_configuration_survives_its_way_to_the_daemon(file: Path, tmp_path: Path) -> None:
    settings = effective("museum", given={"log_file": "/x/y"}, environ={}, file=file)
    config = mount_config(settings, tmp_path / "mount\udcff", secret="hush", options=mount_options(["noexec"]))
    assert launch.unpack(launch.pack(config)) == config


def test_no_repr_shows_the_secret(tmp_path: Path) -> None:
    assert "hush" not in repr(mount_config(_settings(URL), tmp_path, secret="hush"))
