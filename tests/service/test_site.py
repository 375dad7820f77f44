"""The documentation as a site: it builds, and a link that leads nowhere stops it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fixtures import PROJECT

pytest.importorskip("mkdocs")


def test_the_site_builds_with_every_page() -> None:
    done = subprocess.run(
        [sys.executable, PROJECT / "docs/website/build.py"], capture_output=True, text=True, timeout=110, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    site = PROJECT / "build" / "site"
    for page in (PROJECT / "docs").rglob("*.md"):
        name = page.relative_to(PROJECT / "docs").with_suffix("")
        place = site / "index.html" if str(name) == "index" else site / name / "index.html"
        assert place.is_file(), f"{page} has no page"
    for name, word in (("options", "cache_size"), ("commands", "assetfs mount"), ("metrics", "assetfs_requests_total")):
        assert word in (site / name / "index.html").read_text()
