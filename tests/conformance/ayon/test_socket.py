"""The sandbox's WebSocket sends the frames that the real AYON server sent, in their order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.patterns import difference, filled
from tests.conformance.recordings import FOLDER, captured
from tests.frames import Closed, Frames
from tests.sandboxes import RunningSandbox, SandboxError, start_sandbox

SESSIONS = json.loads((FOLDER / "ayon_websocket.json").read_text())["sessions"]
QUICK = {"heartbeat": 0.2, "auth_wait": 0.5}  # seconds; the real server takes 5 and 3
HEARTBEAT = {"topic": "heartbeat"}


@pytest.fixture(autouse=True)
def quick(server: RunningSandbox) -> None:
    server.switch(**QUICK)


@pytest.fixture
def facts(server: RunningSandbox) -> dict[str, Any]:
    return {name: server.info[name] for name in ("credential", "project", "user")}


def rest(server: RunningSandbox, item: dict[str, Any], facts: dict[str, Any]) -> None:
    """Send a request of a session; keep what later items need."""
    request = filled(item["rest"], facts)
    answer = server.http.request(
        request["method"], server.root_url + request["path"], headers=request.get("headers"), json=request.get("json")
    )
    assert answer.status_code == item["status"], answer.text
    facts |= {name: captured(how, answer) for name, how in item.get("capture", {}).items()}


@pytest.mark.parametrize("session", SESSIONS, ids=[session["name"] for session in SESSIONS])
def test_the_frames_are_those_of_the_real_server(
    server: RunningSandbox, facts: dict[str, Any], session: dict[str, Any]
) -> None:
    with Frames(server.root_url) as frames:
        for item in session["frames"]:
            if "rest" in item:
                rest(server, item, facts)
            elif "sent" in item:
                frames.send(filled(item["sent"], facts))
            elif "received" in item:
                wanted = filled(item["received"], facts)
                got = frames.receive() if wanted == HEARTBEAT else frames.event()
                assert difference(wanted, got) is None, got
            elif "closed" in item:
                with pytest.raises(Closed) as closing:
                    frames.event()
                assert closing.value.code == item["closed"]
            else:
                assert item["nothing"]  # what comes next shows it: frames are in order, and none is left over


def subscribed(server: RunningSandbox, *prefixes: str, token: str | None = None, project: str | None = None) -> Frames:
    """A WebSocket that the server has heard: its first heartbeat has come."""
    frames = Frames(server.root_url)
    frame = {"topic": "auth", "token": token or server.credential, "subscribe": prefixes}
    frames.send({**frame, "project": project} if project else frame)
    assert frames.receive() == HEARTBEAT
    return frames


def call(
    server: RunningSandbox, method: str, path: str, json: Any = None, key: str | None = None, **headers: str
) -> Any:
    """A request of another client. Returns its JSON, None when there is none."""
    headers = {"X-Api-Key": key or server.credential, **headers}
    answer = server.http.request(method, f"{server.root_url}/api/{path}", headers=headers, json=json)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def folder(server: RunningSandbox, name: str, project: str = "demo") -> str:
    """Make a folder, and wait until who listens has been told. Returns its id."""
    operation = {"type": "create", "entityType": "folder", "data": {"name": name}}
    batch = {"operations": [operation], "waitForEvents": True}
    return str(call(server, "POST", f"projects/{project}/operations", batch)["operations"][0]["entityId"])


def test_a_key_that_no_request_was_made_with_is_no_credential() -> None:
    with start_sandbox("ayon", seed="empty") as server:
        server.switch(**QUICK)
        with Frames(server.root_url) as frames:
            frames.send({"topic": "auth", "token": server.credential, "subscribe": ["*"]})
            with pytest.raises(Closed):
                frames.receive()
        call(server, "GET", "users/me")
        subscribed(server, "*").socket.close()


def test_a_subscription_is_a_prefix_and_no_pattern(server: RunningSandbox) -> None:
    call(server, "GET", "users/me")
    with subscribed(server, "entity.folder.*") as pattern, subscribed(server, "entity.fold") as prefix:
        made = folder(server, "prefixed")
        assert prefix.event()["summary"]["entityId"] == made
        assert pattern.receive() == HEARTBEAT


def test_subscribing_again_replaces_the_topics(server: RunningSandbox) -> None:
    call(server, "GET", "users/me")
    with subscribed(server, "link.") as frames:
        folder(server, "unheard")
        frames.send({"topic": "auth", "token": server.credential, "subscribe": ["entity."]})
        assert [frames.receive(), frames.receive()] == [HEARTBEAT] * 2  # the first may have been on its way
        made = folder(server, "heard")
        assert frames.event()["summary"]["entityId"] == made


def test_frames_of_other_projects_are_for_those_who_may_see_them(server: RunningSandbox) -> None:
    call(server, "POST", "projects", {"name": "secret", "code": "sec", "anatomy": {}})
    artist = server.info["artist"]["credential"]
    call(server, "GET", "users/me", key=artist)
    with subscribed(server, "*", token=artist) as outside, subscribed(server, "*", project="demo") as elsewhere:
        folder(server, "hidden", "secret")
        seen = folder(server, "seen")
        for frames in (outside, elsewhere):
            assert frames.event()["summary"]["entityId"] == seen


def test_what_is_lost_is_lost(server: RunningSandbox) -> None:
    call(server, "GET", "users/me")
    with subscribed(server, "entity.") as frames:
        server.switch(events=False)
        folder(server, "silent")
        server.switch(events=True)
        made = folder(server, "loud")
        assert frames.event()["summary"]["entityId"] == made


def test_a_server_that_restarts_closes_its_sockets(server: RunningSandbox) -> None:
    call(server, "GET", "users/me")
    with subscribed(server, "entity.") as frames:
        server.switch(sockets=False)
        with pytest.raises(Closed):
            frames.event()
        with pytest.raises((Closed, OSError, SandboxError)):
            Frames(server.root_url)


def test_a_socket_is_a_request_that_faults_can_strike(server: RunningSandbox) -> None:
    call(server, "GET", "users/me")
    server.arm("status", {"kind": "socket"})
    with pytest.raises(Exception):  # noqa: B017, PT011  # the handshake is refused in one way or another
        Frames(server.root_url)
    subscribed(server, "*").socket.close()
    assert server.requests()["kinds"]["GET socket"] == 2
