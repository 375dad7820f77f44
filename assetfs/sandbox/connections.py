"""Breaking a connection from inside an application: what no HTTP framework offers and every network does.

The HTTP server owns the socket and ASGI does not show it, so it is found among this process's own descriptors by the
client's address. `shutdown` on a duplicate acts on the connection itself; with a zero linger the client sees a reset
instead of an orderly end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct

NO_LINGER = struct.pack("ii", 1, 0)


def break_off(client: tuple[str, int], *, reset: bool = False) -> bool:
    """Close the connection from `client` in both directions. False when there is none."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError, ValueError):
            # Only sockets are duplicated: closing any duplicate of a file would take SQLite's locks on it away.
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as duplicate:
                if duplicate.type != socket.SOCK_STREAM or duplicate.getpeername()[:2] != tuple(client):
                    continue
                if reset:
                    duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                duplicate.shutdown(socket.SHUT_RDWR)
                return True
    return False
