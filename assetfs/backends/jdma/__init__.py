"""JDMA, the tape archive of JASMIN: batches on tape or in an object store, brought to a shared disk and back.

jdma+https://fred@host/jdma_control      fred's batches, in the folders of their workspaces
"""

from __future__ import annotations

from assetfs.backends import Address, Backend
from assetfs.backends.jdma.settings import OPTIONS
from assetfs.repository import Repository
from assetfs.transport import TransportOptions


def open_repository(address: Address, options: TransportOptions) -> Repository:
    """A repository that has not asked the server anything yet."""
    from assetfs.backends.jdma.repository import JdmaRepository  # only now: the options come without

    return JdmaRepository(address, options)


BACKEND = Backend(
    name="jdma",
    title="JDMA tape archive",
    open=open_repository,
    options=OPTIONS,
    needs_secret=False,
    secret_name="credentials of the storage",
)
