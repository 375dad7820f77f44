"""A WebSocket client for tests: connects, sends text frames, and hands out what arrives, in order."""

from __future__ import annotations

import json
import socket
import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Request, TextMessage

PATIENCE = 30.0  # seconds


class Closed(Exception):
    """The server has closed the WebSocket; `code` says how, None when the connection just ended."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Frames:
    """One WebSocket of the server at `root_url`."""

    def __init__(self, root_url: str, path: str = "/ws") -> None:
        address = urlsplit(root_url)
        assert address.hostname is not None
        self.socket = socket.create_connection((address.hostname, address.port or 80), timeout=PATIENCE)
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self._waiting: list[dict[str, Any]] = []
        self._text = ""
        self._write(Request(host=address.netloc, target=path))
        self._accepted = False
        while not self._accepted:
            self._read(time.monotonic() + PATIENCE)

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def _write(self, event: Any) -> None:
        self.socket.sendall(self.protocol.send(event))

    def send(self, frame: Any) -> None:
        """Send a frame as JSON."""
        self._write(Message(data=json.dumps(frame)))

    def receive(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next frame, heartbeats too. Raises Closed, or TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self._waiting:
            self._read(deadline)
        return self._waiting.pop(0)

    def event(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """The next frame that is no heartbeat. Raises Closed, or TimeoutError."""
        deadline = time.monotonic() + seconds
        while (frame := self.receive(deadline - time.monotonic()))["topic"] == "heartbeat":
            pass
        return frame

    def _read(self, deadline: float) -> None:
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        data = self.socket.recv(65536)
        self.protocol.receive_data(data or None)
        for event in self.protocol.events():
            match event:
                case AcceptConnection():
                    self._accepted = True
                case TextMessage():
                    self._text += event.data
                    if event.message_finished:
                        self._waiting.append(json.loads(self._text))
                        self._text = ""
                case Ping():
                    self._write(event.response())
                case CloseConnection():
                    raise Closed(event.code)
        if not data:
            raise Closed(None)
