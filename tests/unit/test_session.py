"""Finding a mount's device among the kernel's mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetfs.fuse.session import device_of

MOUNTS = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:40 / /srv/my\\040scans rw - fuse.assetfs museum rw
31 22 0:41 / /srv/mus\u00e9e rw - fuse.assetfs museum rw
32 22 0:42 / /srv/mus\u00e9e rw - fuse.assetfs museum rw
"""


@pytest.mark.parametrize(
    ("place", "device"), [("/srv/my scans", "0:40"), ("/srv/mus\u00e9e", "0:42"), ("/srv/musee", None), ("/", "254:0")]
)
def test_the_device_of_a_mount_point(monkeypatch: pytest.MonkeyPatch, place: str, device: str | None) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda self: MOUNTS.encode())
    assert device_of(Path(place)) == device
