"""Builds the documentation as a site: `make docs`, or `python docs/website/build.py serve` to read while writing.

The pages of `docs/` are read on code hosts as they are; what the site needs besides is made in `build/`: the README as
the front page, the changelog, and the pages that the program writes about itself (options, commands, status document,
metrics). `--strict`: a link that leads nowhere fails the build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
BUILD = PROJECT / "build"
PAGES = BUILD / "pages"

NAVIGATION = {
    "First steps": ["first-steps.md"],
    "Using it": ["semantics.md", "xattrs.md", "durability.md", "performance.md", "troubleshooting.md"],
    "Repositories": ["backends/*.md"],
    "Running it": ["operations.md", "monitoring.md", "security.md"],
    "Reference": ["options.md", "commands.md", "status.md", "metrics.md", "changelog.md"],
    "Contributing": ["architecture.md", "writing-a-backend.md", "decisions/*.md"],
}
"""By heading: pages or patterns. A page that no entry has comes at the end of its folder's heading, or of the last."""


def gather() -> None:
    """All pages into one folder, with links that lead out of `docs/` turned to where the pages are now."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(PROJECT / "docs", PAGES, ignore=shutil.ignore_patterns("website"))
    assetfs = Path(sys.executable).with_name("assetfs")
    subprocess.run([assetfs, "manual", "site", PAGES], check=True)  # noqa: S603
    contents = (PAGES / "index.md").read_text()
    readme = (PROJECT / "README.md").read_text().replace("](docs/", "](").replace("](index.md)", "](contents.md)")
    (PAGES / "index.md").write_text(_outside(readme))
    (PAGES / "contents.md").write_text(contents)
    (PAGES / "changelog.md").write_text(_outside((PROJECT / "CHANGELOG.md").read_text()).replace("](docs/", "]("))
    for page in PAGES.rglob("*.md"):
        up = "../" * (len(page.relative_to(PAGES).parts) - 1)
        text = page.read_text()
        text = text.replace(f"{up}../README.md", f"{up}index.md").replace(f"{up}../CHANGELOG.md", f"{up}changelog.md")
        page.write_text(text)


def _outside(text: str) -> str:
    """Files of the source tree have no page: their names stay, without a link."""
    return re.sub(r"\[([^]]*)\]\((?:LICENSE|pyproject\.toml|Makefile|CHANGELOG\.md)\)", r"\1", text)


def navigation() -> list[object]:
    found: dict[str, list[str]] = {}
    left = {str(page.relative_to(PAGES)) for page in PAGES.rglob("*.md")} - {"index.md", "contents.md"}
    for heading, patterns in NAVIGATION.items():
        found[heading] = []
        for pattern in patterns:
            pages = sorted(str(page.relative_to(PAGES)) for page in PAGES.glob(pattern))
            found[heading] += [page for page in pages if page in left]
            left -= set(pages)
    found["Using it"] += sorted(left)
    return [
        {"assetfs": "index.md"},
        *({heading: pages} for heading, pages in found.items()),
        {"All pages": "contents.md"},
    ]


def configuration() -> Path:
    place = BUILD / "mkdocs.yml"
    settings = {
        "site_name": "assetfs",
        "site_description": "Mount digital asset repositories as drives",
        "docs_dir": str(PAGES),
        "site_dir": str(BUILD / "site"),
        "theme": {
            "name": "material",
            "font": False,
            "features": ["navigation.sections", "navigation.top", "content.code.copy", "search.highlight"],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
            ],
        },
        "plugins": ["search"],
        "markdown_extensions": [
            "admonition",
            "tables",
            "attr_list",
            {"toc": {"permalink": True}},
            "pymdownx.superfences",
        ],
        "validation": {"links": {"anchors": "warn", "unrecognized_links": "warn"}},
        "nav": navigation(),
    }
    place.write_text(yaml.safe_dump(settings, sort_keys=False))
    return place


def main(action: str = "build", *more: str) -> int:
    gather()
    command = [sys.executable, "-m", "mkdocs", action, "--strict", "--config-file", str(configuration()), *more]
    return subprocess.run(  # noqa: S603
        [*command, *(["--quiet"] if action == "build" else [])],
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
