"""What can be seen of a mount: status and its schema, metrics, the log, and the request that the server's log has."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from assetfs.daemon.status import Document
from tests.fixtures import PROJECT
from tests.sandboxes import RunningSandbox

from .conftest import Eventually, Home

pytestmark = pytest.mark.mount


def mount(home: Home, server: RunningSandbox, *lines: str) -> Path:
    home.repository("museum", server, *lines)
    place = home.folder("museum")
    home.run("mount", "museum", place)
    return place


def told(home: Home) -> dict[str, Any]:
    status: dict[str, Any] = json.loads((home.place / "museum/.assetfs/status.json").read_text())
    return status


def values(text: str) -> dict[str, float]:
    """By name, of all labels together."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def metrics(home: Home) -> dict[str, float]:
    return values((home.place / "museum/.assetfs/metrics").read_text())


def test_the_status_document_is_what_its_schema_says(
    home: Home, demo_sandbox: RunningSandbox, eventually: Eventually
) -> None:
    place = mount(home, demo_sandbox)
    letter = next(place.glob("**/letter.txt"))
    letter.read_bytes()
    eventually(lambda: told(home)["cache"]["disk_used"])
    status = told(home)
    document = msgspec.convert(status, Document)
    assert msgspec.to_builtins(document) == status
    assert document.health == "ok"
    assert document.latency_seconds
    assert document.received_bytes > letter.stat().st_size
    assert document.cache is not None
    assert document.user == "admin"
    schema = json.loads(home.run("status", "--schema").stdout)
    assert set(status) == set(schema["$defs"]["Document"]["properties"])
    shown = home.run("status", "museum").stdout
    for word in ("server", "latency", "cache", "to upload", "last hour", str(place)):
        assert word in shown
    assert str(place) in home.run("status", check=False).stdout  # which tells of other mounts of this machine, too
    home.run("umount", "museum")


def test_metrics_count_what_happens(home: Home, sandbox: RunningSandbox) -> None:
    place = mount(home, sandbox, 'write_back_delay = "100ms"')
    top = next(folder for folder in place.iterdir() if folder.is_dir())
    (top / "new.bin").write_bytes(os.urandom(300_000))
    home.run("flush", "museum")
    first = metrics(home)
    assert first["assetfs_written_bytes_total"] == 300_000
    assert first["assetfs_uploads_total"] == 1
    assert first["assetfs_upload_failures_total"] == 0
    assert first["assetfs_sent_bytes_total"] > 300_000
    assert first["assetfs_requests_total"] == told(home)["requests"]["total"]
    assert first["assetfs_request_seconds_count"] == first["assetfs_requests_total"]
    under_way = first["assetfs_operations_total"] - first["assetfs_operation_seconds_count"]
    assert 0 <= under_way <= 1, "the one that reads this"
    os.setxattr(place / ".assetfs", "user.assetfs.flush", b"1")
    second = metrics(home)
    assert second["assetfs_operations_total"] > first["assetfs_operations_total"]
    home.run("umount", "museum")


def test_prefetch_waste_and_cache_hits_are_counted(home: Home, sandbox: RunningSandbox, eventually: Eventually) -> None:
    place = mount(home, sandbox)
    top = next(folder for folder in place.iterdir() if folder.is_dir())
    (top / "large.bin").write_bytes(os.urandom(6 << 20))
    home.run("umount", "museum")
    assert "0 files" not in home.run("cache", "museum").stdout
    assert " freed" in home.run("cache", "museum", "clear").stdout
    assert json.loads(home.run("cache", "museum", "--json").stdout)["files"] == 0

    home.run("mount", "museum", place)
    with (top / "large.bin").open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        assert len(stream.read(4096)) == 4096
        eventually(lambda: metrics(home)["assetfs_received_bytes_total"] > 1 << 20)
    eventually(lambda: metrics(home)["assetfs_prefetch_unread_bytes_total"] > 0)
    cold = metrics(home)
    assert cold["assetfs_cache_misses_total"] >= 1
    assert cold["assetfs_cache_hits_total"] == 0
    assert (top / "large.bin").stat().st_size == len((top / "large.bin").read_bytes())
    home.run("umount", "museum")

    home.run("mount", "museum", place)
    (top / "large.bin").read_bytes()
    warm = metrics(home)
    assert warm["assetfs_cache_hits_total"] >= 1
    assert warm["assetfs_read_bytes_total"] >= 6 << 20
    home.run("umount", "museum")


def test_the_live_view_shows_and_ends_with_ctrl_c(home: Home, demo_sandbox: RunningSandbox) -> None:
    place = mount(home, demo_sandbox)
    ours, theirs = pty.openpty()
    live = subprocess.Popen(
        [*home.program, "status", "--watch", place], stdin=theirs, stdout=theirs, env={**home.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    seen = b""
    while b"museum" not in seen:
        seen += os.read(ours, 4096)
    live.send_signal(signal.SIGINT)
    os.set_blocking(ours, False)
    deadline = time.monotonic() + 30
    while live.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            os.read(ours, 4096)
        time.sleep(0.05)
    os.close(ours)
    assert live.wait(1) == 0
    home.run("umount", "museum")


def test_metrics_over_http(home: Home, demo_sandbox: RunningSandbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    place = mount(home, demo_sandbox, f'metrics_listen = "127.0.0.1:{port}"')
    assert os.listdir(place)
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert answer.status_code == 200
    assert set(values(answer.text)) >= set(metrics(home)) - {"assetfs_operation_errors_total"}
    assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 404
    with socket.create_connection(("127.0.0.1", port)) as rude:
        rude.sendall(b"nonsense\r\n\r\n")
    assert "assetfs_info" in httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    home.run("umount", "museum")
    done = home.run("mount", "museum", place, "--metrics-listen", "somewhere", check=False)
    assert done.returncode == 2
    assert "127.0.0.1:9464" in done.stderr


def test_the_dashboard_names_metrics_that_exist(home: Home, demo_sandbox: RunningSandbox) -> None:
    import re

    mount(home, demo_sandbox)
    exposed = (home.place / "museum/.assetfs/metrics").read_text()
    known = set(re.findall(r"^# TYPE (\w+) ", exposed, re.MULTILINE))
    dashboard = json.loads((PROJECT / "docs" / "grafana.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(expressions) > 10
    for expression in expressions:
        for name in re.findall(r"assetfs_\w+", expression):
            assert name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") in known, name
    home.run("umount", "museum")


def test_a_request_in_our_log_is_one_in_the_servers(home: Home, demo_sandbox: RunningSandbox) -> None:
    place = mount(home, demo_sandbox, 'log_format = "json"', 'log_level = "debug"')
    demo_sandbox.forget()
    next(place.glob("**/letter.txt")).read_bytes()
    theirs = {entry["headers"]["x-request-id"] for entry in demo_sandbox.listing()}
    lines = [json.loads(line) for line in home.log().splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    ours = {line["request"] for line in lines if "request" in line}
    assert theirs
    assert theirs <= ours
    assert {line["outcome"] for line in lines if "outcome" in line} <= {"200", "206"}
    home.run("umount", "museum")


def test_trouble_is_told_and_counted(home: Home, sandbox: RunningSandbox, eventually: Eventually) -> None:
    place = mount(home, sandbox, 'write_back_delay = "100ms"')
    top = next(folder for folder in place.iterdir() if folder.is_dir())
    os.listdir(top)
    sandbox.process.kill()
    sandbox.process.wait()
    (top / "waits.txt").write_text("for the server\n")
    eventually(lambda: told(home)["health"] == "unreachable" and told(home)["last_hour"]["counts"]["warning"])
    status = told(home)
    assert status["uploads"]["pending"] == 1
    assert any("uploads wait" in line["message"] for line in status["last_hour"]["messages"])
    found = metrics(home)
    assert found["assetfs_journal_files"] == 1
    assert found["assetfs_journal_bytes"] == len("for the server\n")
    time.sleep(0.2)
    assert metrics(home)["assetfs_journal_oldest_seconds"] > found["assetfs_journal_oldest_seconds"]
    assert "unreachable" in home.run("status", place).stdout
    done = home.run("umount", "museum", "--timeout", "1s", check=False)
    assert done.returncode == 5
