"""What the real JDMA server does and the recordings do not show: odd bodies, the order of checks, quotas, age."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.jdma import DONE, FAILED, Jdma, below, books, named, tree
from tests.sandboxes import RunningSandbox, start_sandbox

NONE = "'NoneType' object is not iterable"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with start_sandbox("jdma") as server:
        yield server


@pytest.fixture
def user(running: RunningSandbox) -> Iterator[Jdma]:
    running.reset()
    yield Jdma(running)
    running.reset()


@pytest.fixture(scope="module")
def folder(running: RunningSandbox) -> Path:
    return tree(Path(running.info["stage"]) / "run", top_txt="top\n", sub__deep_txt="deep\n")


@pytest.fixture(scope="module")
def batch(running: RunningSandbox, folder: Path) -> int:
    return Jdma(running).batch(folder, label="run")


def refusal(user: Jdma, **fields: Any) -> tuple[int, str]:
    """Status and error of an upload that is refused."""
    answer = user.put(**fields)
    return answer.status_code, answer.json()["error"] if answer.status_code != 500 else ""


def test_odd_bodies_of_users(user: Jdma) -> None:
    def status(method: str, body: Any, **query: str) -> int:
        return user.http.request(method, "user", params=query, json=body).status_code

    assert user.http.post("user", json=["name", "email"]).status_code == 500
    assert user.http.post("user", json=[]).json() == {"error": "No name supplied"}
    assert status("POST", {"name": "x" * 257, "email": "e"}) == 500
    assert status("POST", {"name": None, "email": "e"}) == 500
    assert status("PUT", {"notify": "perhaps"}, name=user.name) == 500
    assert user.http.get("user?other=1").json() == {"name": "", "error": "Error with name parameter."}
    nameless = user.http.put("user?name=", json={"email": "e"})
    assert nameless.json() == {"name": "", "email": "e", "error": "Error with name parameter."}
    assert user.http.put("user", json={"email": "e"}).json() == {"error": "No name supplied."}
    other = user.http.put("user", params={"name": user.name}, json={"name": "other", "email": "no address"})
    assert other.json() == {"name": user.name, "email": "no address", "notify": True}


def test_odd_bodies_of_uploads(user: Jdma, folder: Path) -> None:
    assert refusal(user, filelist=None) == (404, "object of type 'NoneType' has no len()")
    assert refusal(user, filelist=str(folder))[0] == 500
    assert refusal(user, workspace=None) == (404, "Workspace None has no associated groupworkspace quota set")
    assert refusal(user, filelist=[f"{folder}/sub"], label="x" * 1025)[0] == 500
    assert refusal(user, filelist=[str(folder)], kind="put") == (404, "Invalid request method")
    assert user.post("PUT", name=None).json()["error"] == "User None not initialised yet.  Run jdma.py init first"
    bare = user.put(folder, storage="objectstore", credentials={}, filelist=[f"{folder}/sub"])
    assert bare.json().keys() == {"error"}
    assert bare.json()["error"].endswith("Supplied credentials: {}.")


def test_credentials_that_are_no_texts_leave_a_batch_behind(user: Jdma, folder: Path) -> None:
    for credentials, error in ((None, NONE), ({"username": 5}, "'int' object has no attribute 'encode'")):
        before = len(user.ask("migration/")["migrations"])
        assert refusal(user, filelist=[f"{folder}/sub"], label="leaked", credentials=credentials) == (404, error)
        left = user.ask("migration/")["migrations"][before:]
        assert [(row["label"], row["stage"]) for row in left] == [("leaked", 0)]
        assert user.ask("archive/", migration_id=left[0]["migration_id"])["migrations"][0]["archives"] == []
        assert user.delete(left[0]["migration_id"]).status_code == 200


def test_a_storage_that_does_not_answer(user: Jdma, folder: Path, batch: int) -> None:
    user.server.switch(unreachable="elastictape")
    answer = user.put(f"{folder}/sub")
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"].startswith("External storage: elastictape not connecting.  Reason is: ")
    assert user.retrieve(batch, user.stage / "t").json()["error"] == "'error'"


def test_a_storage_that_the_workspace_lacks(user: Jdma, folder: Path) -> None:
    keys = {"access_key": "a", "secret_key": "s"}
    answer = user.put(f"{folder}/sub", storage="objectstore", credentials=keys)
    text = f"External storage: objectstore has not been attached to the groupworkspace: {user.workspace}"
    assert (answer.status_code, answer.json()["error"], answer.json()["credentials"]) == (404, text, {})


def test_names_are_cut_where_the_folder_stands_in_them(user: Jdma, batch: int, folder: Path) -> None:
    accepted = user.post("GET", migration_id=str(batch), target_path=f"{user.stage}/cut", filelist=["/top.txt"])
    answer = accepted.json()
    assert (answer["filelist"], answer["migration_id"], answer["batch_id"]) == (["top.txt"], str(batch), batch)
    user.wait(answer["request_id"], DONE["GET"])
    assert below(user.stage / "cut") == {"top.txt": b"top\n"}
    assert user.post("GET", migration_id="x").json()["error"] == "Batch not found"
    lost = user.post("GET", migration_id=batch, target_path=f"{user.stage}/lost", filelist=["top.txt"])
    assert lost.json()["error"] == f"Requested file list contains zero files that belong to batch {batch}"
    relative = user.retrieve(batch, "relative")
    assert relative.json()["error"] == "Parent of target path relative does not exist: "
    nothing = user.post("GET", migration_id=batch, target_path=f"{user.stage}/n", credentials=None)
    assert (nothing.status_code, nothing.json()["error"]) == (404, NONE)


def test_two_equal_subsets_into_one_target_are_taken(user: Jdma, batch: int, folder: Path) -> None:
    user.server.switch(passes=0)
    answers = [user.retrieve(batch, user.stage / "twice", "top.txt", folder=folder) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    whole = [user.retrieve(batch, user.stage / "whole") for _ in range(2)]
    assert [answer.status_code for answer in whole] == [200, 403]
    user.server.switch(passes=-1)
    for answer in (*answers, whole[0]):
        user.wait(answer.json()["request_id"], DONE["GET"])
    assert user.retrieve(batch, user.stage / "whole").status_code == 200


def test_who_may_write_where_is_read_from_the_letters_of_the_mode(user: Jdma, batch: int, folder: Path) -> None:
    member = Jdma(user.server, user.server.info["member"])
    assert member.http.post("user", json={"name": member.name, "email": "m@example.org"}).status_code in (200, 403)
    for mode, status in ((0o777, 200), (0o1777, 403), (0o770, 403), (0o755, 403)):
        place = user.stage / f"open-{mode:o}"
        place.mkdir(exist_ok=True)
        place.chmod(mode)
        answer = member.retrieve(batch, place / "t", "top.txt", folder=folder)
        assert answer.status_code == status, oct(mode)


def test_a_manager_deletes_what_is_anothers(user: Jdma) -> None:
    number = user.batch(tree(user.stage / "managed", m_txt="m"), label="managed")
    manager = Jdma(user.server, user.server.info["manager"])
    manager.http.post("user", json={"name": manager.name, "email": "m@example.org"})
    assert manager.delete(number).status_code == 200


def test_listings_differ_in_odd_places(user: Jdma, batch: int) -> None:
    stray = {"migration_id": 999999, "workspace": "anything"}
    assert user.get("file/", **stray).status_code == 500
    assert user.get("archive/", **stray).json()["workspace"] == "anything"
    assert user.get("migration/", **stray).json()["workspace"] == "anything"
    zero = user.get("migration/", migration_id=0, label="", workspace="w").json()
    assert zero == {"error": "Batch not found.", "name": user.name, "workspace": "w"}
    empty = user.get("migration/", workspace="").json()
    assert empty == {"error": "Workspace not found.", "name": user.name, "workspace": ""}
    task = "User does not have permission to {} in the workspace"
    stranger = Jdma(user.server, "stranger")
    for path, words in (("file/", "view files"), ("archive/", "list archives"), ("migration/", "view batches")):
        assert stranger.get(path, migration_id=batch).json()["error"] == task.format(words)


def test_texts_that_fit_in_no_status_line_break_the_answer(user: Jdma) -> None:
    for name, status in (("dürer", 403), ("dürer 日", 500), ("line\nbreak", 500), ("bell\a", 500)):
        answer = user.http.get("user", params={"name": name})
        assert answer.status_code == status, name
    user.server.switch(reason_phrases=False)
    assert user.http.get("user", params={"name": "日"}).status_code == 403


def test_archives_fill_up_from_the_smallest_file(user: Jdma) -> None:
    user.server.switch(object_size=10)
    number = user.batch(tree(user.stage / "parts", a_bin=b"12345678", b_bin=b"1234", c_bin=b"12"), label="parts")
    [listed] = user.ask("file/", migration_id=number)["migrations"]
    sizes = [[row["size"] for row in archive["files"]] for archive in listed["archives"]]
    assert sizes == [[2, 4, 8], []]
    assert [archive["size"] for archive in listed["archives"]] == [14, 4096]
    [first] = user.ask("archive/", migration_id=number, limit=1)["migrations"]
    assert [archive["limit"] for archive in first["archives"]] == [1]


def test_an_upload_over_quota_fails_and_leaves_the_folder_open(user: Jdma) -> None:
    books(user.server, "UPDATE quota SET size = used + 10 WHERE workspace = ?", user.workspace)
    try:
        folder = tree(user.stage / "large", x_bin=b"x" * 100)
        mode = folder.stat().st_mode
        accepted = user.put(folder, label="large").json()
        reason = user.wait(accepted["request_id"], FAILED)["failure_reason"]
        assert f"would cause the quota for the workspace: {user.workspace} to be exceeded.\n" in reason
        assert len(reason.strip().splitlines()) == 4
        assert user.settled(accepted["request_id"]) == FAILED
        assert (user.stage_of(accepted["batch_id"]), folder.stat().st_mode) == (3, mode)
        books(user.server, "UPDATE quota SET size = used WHERE workspace = ?", user.workspace)
        refused = user.put(tree(user.stage / "more", x_bin=b"x"))
        assert (refused.status_code, "insufficient quota" in refused.json()["error"]) == (403, True)
    finally:
        books(user.server, "UPDATE quota SET size = 1 << 50")


def test_the_quota_is_given_back(user: Jdma) -> None:
    def used() -> int:
        with_sizes = user.ask("archive/")["migrations"]
        stages = {row["migration_id"]: row["stage"] for row in user.ask("migration/")["migrations"]}
        return sum(
            archive["size"] for row in with_sizes if stages[row["migration_id"]] == 2 for archive in row["archives"]
        )

    number = user.batch(tree(user.stage / "quota", q_bin=b"q" * 50), label="quota")
    before = used()
    user.wait(user.delete(number).json()["request_id"], DONE["DELETE"])
    assert used() == before - 50 - 4096


def test_finished_requests_go_after_two_days_and_failed_ones_stay(user: Jdma) -> None:
    done = user.put(tree(user.stage / "aging", a_txt="a"), label="aging").json()
    user.wait(done["request_id"], DONE["PUT"])
    (user.stage / "a file").write_text("in the way")
    failed = user.retrieve(done["batch_id"], user.stage / "a file").json()
    user.wait(failed["request_id"], FAILED)
    gone = user.batch(tree(user.stage / "dropped", a_txt="a"), label="dropped")
    user.wait(user.delete(gone).json()["request_id"], DONE["DELETE"])
    user.server.switch(clock=47 * 3600.0)
    assert user.settled(done["request_id"]) == DONE["PUT"]
    user.server.switch(clock=49 * 3600.0)
    assert user.settled(failed["request_id"]) == FAILED
    assert user.get("request", request_id=done["request_id"]).status_code == 404
    assert user.get("migration/", migration_id=gone).status_code == 404
    assert user.stage_of(done["batch_id"]) == 2
    assert user.put(user.stage / "aging", label="again").status_code == 200


def test_every_path_that_was_named_is_remembered(user: Jdma) -> None:
    assert user.put("/etc/../etc/shadow").status_code == 404
    assert ("PUT", "/etc/../etc/shadow") in list(named(user.server))


def test_requests_are_counted_by_type(user: Jdma, batch: int, folder: Path) -> None:
    user.retrieve(batch, user.stage / "counted", "top.txt", folder=folder)
    user.ask("request")
    assert user.server.requests()["calls"] == {"GET": 1}
    assert user.server.requests()["kinds"] == {"POST request": 1, "GET request": 1}
