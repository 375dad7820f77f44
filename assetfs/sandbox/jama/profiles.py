"""Which Jama server this is: the three generations whose wire protocol differs, as a table.

`current` is 2026.10.16.1, `legacy` stands for 0.3.7 and older, `classic` is the API of client 0.0.14, without
projects.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """What one generation does on the wire."""

    name: str
    batches: bool  # an array body is a batch; else it is 400
    unknown_method_id: bool  # "no such method" echoes the id; else it is null
    chunks_from_one: bool  # chunk numbers must be 1..N; else any are taken
    collection_header: bool  # X-collection-id is heard
    quoted_names: bool  # X-file-name and X-origin-dir are base64 of a percent-encoded text
    projects: bool  # X-Project is required; else there is one project
    measured_downloads: bool  # Content-Length and Accept-Ranges on whole files, an empty 416
    lacking: frozenset[str] = frozenset()  # methods that came later


PROFILES = {
    "current": Profile("current", True, True, True, True, True, True, True),
    "legacy": Profile(
        "legacy",
        False,
        False,
        False,
        False,
        True,
        True,
        False,
        frozenset({"client_configuration", "find_collection_from_path"}),
    ),
    "classic": Profile("classic", False, True, False, False, False, False, False),
}
