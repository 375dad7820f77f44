"""What the real Jama server does and the recording cannot show: older generations, other users, many at once.

The expected values are those that were observed on, or read in, the real servers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.sandboxes import RpcError, RunningSandbox, start_sandbox


def place(server: RunningSandbox, title: str) -> int:
    return int(server.rpc("add_collection", title, server.info["root"])["id"])


def error(call: Callable[[], object]) -> str:
    with pytest.raises(RpcError) as caught:
        call()
    return str(caught.value)


# Uploads


def test_an_old_server_takes_any_chunk_numbers_and_no_collection(legacy: RunningSandbox) -> None:
    digest = hashlib.sha256(b"one two ").hexdigest()
    target = place(legacy, "not heard")
    answers = [
        legacy.send_chunk("zero.txt", part, chunk=f"{n}/2", digest=digest, collection=target)
        for n, part in enumerate((b"one ", b"two "))
    ]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert legacy.rpc("resources", target) == []


def test_chunks_in_any_order_and_at_the_same_time(server: RunningSandbox) -> None:
    parts = [bytes([65 + n]) * 1000 for n in range(12)]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    order = [5, 12, 1, 7, 3, 9, 2, 11, 4, 8, 10, 6]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda n: server.send_chunk("wild.txt", parts[n - 1], chunk=f"{n}/12", digest=digest), order)
        )
    found = server.rpc("upload_infos", digest, server.info["project"])
    assert found["status"] == "available"
    assert sorted(answer.status_code for answer in answers)[-2:] == [202, 202]
    assert server.get(f"download/{found['id']}").content == b"".join(parts)


def test_a_chunk_without_length(server: RunningSandbox) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"piece"

    headers = {
        "X-Api-Key": server.credential,
        "X-Project": "1",
        "X-file-chunk": "1/1",
        "X-file-hash": hashlib.sha256(b"piece").hexdigest(),
        "X-file-name": "cGllY2UudHh0",
    }
    answer = server.http.post(server.url + "upload/partial/", content=pieces(), headers=headers)
    assert (answer.status_code, answer.text) == (411, "Length Required")


def test_a_stale_lock_answers_202_for_ever(server: RunningSandbox) -> None:
    content, project = b"locked out", server.info["project"]
    server.switch(stale_lock=True)
    assert server.send_chunk("locked.txt", content).status_code == 202
    server.switch(stale_lock=False)
    assert server.send_chunk("locked.txt", content).status_code == 202
    infos = server.rpc("upload_infos", hashlib.sha256(content).hexdigest(), project)
    assert infos == {"status": "incomplete", "id": None, "available_chunks": []}


def test_known_bytes_are_not_read_again(server: RunningSandbox) -> None:
    content = bytes(1 << 20)
    resource = server.upload("known.bin", content)
    server.forget()
    assert server.upload("other.bin", content) == resource
    assert server.requests()["kinds"] == {"POST upload": 1}


def test_blanks_and_slashes_as_origin_mean_the_root(server: RunningSandbox) -> None:
    answer = server.send_chunk("rooted.txt", b"rooted", X_origin_dir="LyUyMC8=")
    chains = server.rpc("ancestors_from_resource", int(answer.text))
    assert [[item["id"] for item in chain] for chain in chains] == [[server.info["root"]]]


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        (".txt", 400, "Type de fichier inconnu"),
        ("a.txt ", 400, "Type de fichier inconnu"),
        ("x.", 400, "Type de fichier inconnu"),
        ("a.tar.gz", 200, None),
        ("B.JPG", 200, None),
    ],
)
def test_names_that_have_a_type(server: RunningSandbox, name: str, status: int, text: str | None) -> None:
    answer = server.send_chunk(name, f"content for {name}".encode())
    assert answer.status_code == status
    assert text is None or answer.text == text


# Rights


def test_a_limited_user_starts_at_what_is_granted(demo_sandbox: RunningSandbox) -> None:
    limited, project = demo_sandbox.info["limited_credential"], demo_sandbox.info["project"]
    stats = demo_sandbox.rpc("project_stats", project, credential=limited)
    assert [item["title"] for item in stats["user_entry_points"]] == ["Photographs"]
    refusal = error(lambda: demo_sandbox.rpc("collection", demo_sandbox.info["root"], credential=limited))
    assert refusal == "no read access for root Museum of Nowhere"


def test_windows_are_cut_before_rights_and_counts_are_not_filtered(demo_sandbox: RunningSandbox) -> None:
    limited, project = demo_sandbox.info["limited_credential"], demo_sandbox.info["project"]
    everything = demo_sandbox.rpc("project_items", [], project, False, None, 0, 500)
    seen = demo_sandbox.rpc("project_items", [], project, False, None, 0, 500, credential=limited)
    assert seen["resources_count"] == everything["resources_count"] == len(everything["resources"])
    assert 0 < len(seen["resources"]) < seen["resources_count"]
    pages = [
        demo_sandbox.rpc("project_items", [], project, False, None, n, n + 5, credential=limited)["resources"]
        for n in range(0, seen["resources_count"], 5)
    ]
    assert sorted(item["id"] for page in pages for item in page) == sorted(item["id"] for item in seen["resources"])
    assert any(len(page) < 5 for page in pages[:-1])


def test_a_limited_user_may_write_where_it_is_let_in_only() -> None:
    with start_sandbox("jama", seed="demo") as server:
        limited, inside = server.info["limited_credential"], server.info["limited_collections"][0]
        made = server.rpc("add_collection", "mine", inside, credential=limited)
        resource = server.upload("mine.txt", b"mine", made["id"], credential=limited)
        assert server.rpc("rename_resource", resource, "renamed", credential=limited) is True
        refused = server.send_chunk("not.txt", b"not", collection=server.info["root"], credential=limited)
        assert (refused.status_code, refused.text) == (403, "Forbidden")
        other = server.rpc("simple_search", "letter.txt", server.info["project"])["resources"][0]["id"]
        assert server.get(f"download/{other}", credential=limited).status_code == 403
        assert server.get(f"download/{resource}", credential=limited).content == b"mine"


def test_a_reader_changes_nothing(demo_sandbox: RunningSandbox) -> None:
    reader, root = demo_sandbox.info["readonly_credential"], demo_sandbox.info["root"]
    refusal = error(lambda: demo_sandbox.rpc("add_collection", "x", root, credential=reader))
    assert refusal == "no update access for root Museum of Nowhere"
    assert demo_sandbox.send_chunk("x.txt", b"x", credential=reader).status_code == 403
    assert error(lambda: demo_sandbox.rpc("list_users", credential=reader)) == "only for superusers"


def test_a_key_that_is_taken_back(server: RunningSandbox) -> None:
    assert server.rpc("activate_rpc_access", "admin", "second-key") is True
    assert server.rpc("ping", credential="second-key") == "pong admin"
    assert server.rpc("deactivate_rpc_access", "admin", "second-key") is True
    assert error(lambda: server.rpc("ping", credential="second-key")) == "HTTP 403"


# The envelope


def test_a_batch_is_no_request_for_an_old_server(legacy: RunningSandbox) -> None:
    assert legacy.post([{"method": "ping", "id": 1}]).status_code == 400
    unknown = legacy.post({"method": "client_configuration", "id": 7})
    assert unknown.json() == {"result": None, "error": "no such method", "id": None}


def test_a_500_in_a_batch_keeps_what_came_before(server: RunningSandbox) -> None:
    root = server.info["root"]
    calls = [("add_collection", ["before", root]), ("add_collection", [5, root]), ("add_collection", ["after", root])]
    answer = server.post([{"method": name, "params": params, "id": 1} for name, params in calls])
    assert answer.status_code == 500
    titles = [item["title"] for item in server.rpc("collections", root)]
    assert ("before" in titles, "after" in titles) == (True, False)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"method": "ping", "params": 5, "id": 1}', 400),
        (b'[[{"method": "ping", "id": 1}]]', 400),
        (b'{"method": "ping", "id": "\xff"}', 400),
        (b'"text"', 400),
        (b'{"method": "add_collection", "params": [["a"], 1], "id": 1}', 500),
        (b'{"method": "rename_collection", "params": [2, null], "id": 1}', 500),
        (b" " * (1 << 20) + b"{}", 413),
    ],
)
def test_bodies_that_are_wrong(server: RunningSandbox, body: bytes, status: int) -> None:
    place(server, "the second collection")
    answer = server.http.post(server.url, content=body, headers={"X-Api-Key": server.credential})
    assert answer.status_code == status


def test_compression_only_when_it_is_accepted_and_worth_it(server: RunningSandbox) -> None:
    long, short = {"method": "supported_file_types", "id": 1}, {"method": "ping", "id": 1}
    assert "content-encoding" not in server.post(short).headers
    assert "content-encoding" not in server.post(long, **{"Accept-Encoding": "identity"}).headers
    lengths = {server.post(long).headers["content-length"] for _ in range(8)}
    assert len(lengths) > 1  # padded at random


def test_there_is_no_size_anywhere(demo_sandbox: RunningSandbox) -> None:
    found = demo_sandbox.rpc("project_items", [], demo_sandbox.info["project"], True, None, 0, 500)
    assert not any("size" in key for item in found["resources"] for key in item)
    assert "canary.invalid" in json.dumps(found)
    assert "127.0.0.1" not in json.dumps(found)


def test_serialised_calls_fail_after_five_seconds(server: RunningSandbox) -> None:
    server.switch(serialised=True)
    with ThreadPoolExecutor(2) as pool:
        server.arm("delay", {"call": "current_user"}, seconds=6)
        slow = pool.submit(server.post, {"method": "current_user", "id": 1})
        deadline = time.monotonic() + 5
        while not server.requests()["calls"].get("current_user") and time.monotonic() < deadline:
            pass
        before = time.monotonic()
        fast = pool.submit(server.post, {"method": "ping", "id": 1})
        assert fast.result().status_code == 500
        assert 4.5 < time.monotonic() - before < 6
        assert slow.result().status_code == 200


def test_an_old_tag_call_has_no_project(legacy: RunningSandbox) -> None:
    legacy.rpc("set_tag", "OLD", legacy.info["project"])
    assert legacy.rpc("delete_tag", "OLD") is True
    assert error(lambda: legacy.rpc("delete_tag", "OLD")) == "no such tag"


# Deleting and restoring


def test_one_file_in_two_doomed_collections_survives_as_an_orphan(server: RunningSandbox) -> None:
    top = place(server, "doomed")
    first, second = (server.rpc("add_collection", name, top)["id"] for name in ("first", "second"))
    shared, single = server.upload("shared.txt", b"shared", first), server.upload("single.txt", b"single", second)
    server.rpc("add_resource_to_collection", shared, second)
    assert server.rpc("delete_collection", top, True)["success"] is True
    assert server.rpc("ancestors_from_resource", shared) == []
    assert server.rpc("resource", shared)["title"] == "shared.txt"
    assert error(lambda: server.rpc("resource", single)) == "no such resource"
    assert error(lambda: server.rpc("delete_resource", shared)) == "no such collection"
    assert server.rpc("restore_collection", top, server.info["root"]) is True
    assert [item["id"] for item in server.rpc("resources", second)] == [shared, single]


def test_an_upload_of_deleted_bytes_reappears_in_its_old_place(server: RunningSandbox) -> None:
    top = place(server, "old place")
    resource = server.upload("gone.txt", b"gone and back", top)
    server.rpc("delete_collection", top, True)
    assert server.upload("back.txt", b"gone and back") == resource
    assert server.rpc("add_collection", "old place", server.info["root"])["id"] == top
    assert [item["title"] for item in server.rpc("resources", top)] == ["back.txt"]


def test_an_empty_selection_is_everything(server: RunningSandbox) -> None:
    top = place(server, "selected")
    server.rpc("add_collection", "below", top)
    resource = server.upload("selected.txt", b"selected", top)
    assert server.rpc("remove_selection", top, {"include": {}}) is True
    assert server.rpc("collection", top)["children_count"] == 0
    assert error(lambda: server.rpc("resource", resource)) == "no such resource"


def test_everything_at_once_from_many_clients(server: RunningSandbox) -> None:
    top = place(server, "crowd")

    def visit(number: int) -> int:
        resource = server.upload(f"{number}.txt", b"visitor %d" % number, top)
        assert server.get(f"download/{resource}").content == b"visitor %d" % number
        return len(server.rpc("resources", top))

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(visit, range(40))) == 40


def test_a_client_that_leaves_during_a_download_harms_nobody(demo_sandbox: RunningSandbox) -> None:
    found = demo_sandbox.rpc("simple_search", "reel 3", demo_sandbox.info["project"])["resources"][0]["id"]
    with httpx.Client(trust_env=False) as client:
        for _ in range(3):
            headers = {"X-Api-Key": demo_sandbox.credential}
            with client.stream("GET", f"{demo_sandbox.url}download/{found}", headers=headers) as answer:
                next(answer.iter_raw())
    assert demo_sandbox.rpc("ping") == "pong admin"


# Roles and annotations


def test_a_superuser_makes_roles_and_gives_them(server: RunningSandbox) -> None:
    project, reader = server.info["project"], server.info["readonly_credential"]
    user = int(server.rpc("current_user", credential=reader)["id"])
    right = {"object_class": "collection", "object_pk": server.info["root"], "object_read": True}
    role = server.rpc("set_role", project, " Guests ", [right, {"object_class": "tag", "object_read": True}])
    assert role["label"] == "Guests"
    assert [item["object_class"] for item in role["permissions"]] == ["collection", "tag"]
    assert server.rpc("set_role", project, "Guests", [])["permissions"] == role["permissions"]
    same = server.rpc("add_permission_to_role", role["id"], right)
    assert same == role["permissions"][0]
    assert server.rpc("add_project_access", user, project, role["id"]) is True
    assert "Guests" in {item["role"]["label"] for item in server.rpc("projects_user_permissions", credential=reader)}
    assert server.rpc("remove_project_access", user, project, role["id"]) is True
    assert error(lambda: server.rpc("rename_role", role["id"], "project no access")) == "could not rename role"
    assert server.rpc("delete_permission", same["id"]) is True
    assert server.rpc("delete_role", project, "Guests") is True
    assert "Guests" not in {item["label"] for item in server.rpc("list_roles", project)}
    assert error(lambda: server.rpc("set_role", credential=reader)) == "only for superusers", "whatever is missing"
    assert error(lambda: server.rpc("create_project", " sANDBOX ")) == "project already exists"


def test_annotations_hang_on_a_resource(server: RunningSandbox) -> None:
    shelf = place(server, "annotated")
    number = server.upload("note.txt", b"what is annotated", collection=shelf)
    made = server.rpc("create_annotation", number, {"a": ["é"]}, True)
    assert [made[key] for key in ("owner", "data", "resource_id", "public")] == ["admin", {"a": ["é"]}, number, True]
    changed = server.rpc("update_annotation", made["id"], "text")
    assert (changed["data"], changed["public"]) == ("text", False)
    assert changed["updated_at"] > made["updated_at"]
    assert server.rpc("publish_annotation", made["id"]) is True
    assert [item["public"] for item in server.rpc("list_annotations", number)] == [True]
    (listed,) = server.rpc("list_collection_annotations", shelf)
    assert [item["id"] for item in listed["annotations"]] == [made["id"]]
    reader = server.info["readonly_credential"]
    assert error(lambda: server.rpc("create_annotation", number, {}, credential=reader)).startswith("no update access")
    assert server.rpc("delete_annotation", made["id"]) is True
    assert error(lambda: server.rpc("delete_annotation", made["id"])) == "No such annotation"


# Small print


def test_what_is_there_already_uses_up_no_id(server: RunningSandbox) -> None:
    project, shelf = server.info["project"], place(server, "numbers")
    number = server.upload("counted.txt", b"counted", collection=shelf)
    first = server.rpc("set_tag", "NUMBER-1", project)["id"]
    field_set = server.rpc("add_metadataset", "Numbers 1", project)
    for _ in range(3):
        server.rpc("add_resource_to_collection", number, shelf)
        server.rpc("set_tag", "NUMBER-1", project, "again")
        server.rpc("add_metadataset", "Numbers 1", project)
    assert server.rpc("set_tag", "NUMBER-2", project)["id"] == first + 1
    assert server.rpc("add_metadataset", "Numbers 2", project) == field_set + 1


def test_values_of_a_set_are_held_against_the_rules_of_single_ones(server: RunningSandbox) -> None:
    number = server.upload("ruled.txt", b"ruled", collection=place(server, "ruled"))
    assert server.rpc("set_metas_to_resource", number, [{"id": 1, "value": "A"}, {"id": 1, "value": "A"}]) is True
    assert error(lambda: server.rpc("set_metas_to_resource", number, [{"id": 2, "value": ""}])) == "wrong argument"
    assert [meta["value"] for meta in server.rpc("resource", number)["metas"]] == ["A"]


def test_a_selection_takes_what_there_is(server: RunningSandbox) -> None:
    shelf = place(server, "selected")
    gone = {"include": {"resources_ids": [999_999]}}
    assert server.rpc("move_selection", shelf, gone, shelf) == {"collections": {}, "resources": {}}


def test_a_collection_is_restored_by_numbers_only(server: RunningSandbox) -> None:
    shelf = place(server, "to restore")
    server.rpc("delete_collection", shelf)
    assert error(lambda: server.rpc("restore_collection", shelf, str(server.info["root"]))) == "no such collection"
    assert server.rpc("restore_collection", shelf, server.info["root"]) is True


def test_what_stands_around_the_endpoint(server: RunningSandbox) -> None:
    base, http = server.root_url, server.http
    assert http.get(f"{base}/rpc/upload/partial").headers["location"] == "/rpc/upload/partial/"
    asked = {"Origin": "http://x.example", "Access-Control-Request-Method": "POST"}
    assert http.options(f"{base}/hls/x", headers=asked).status_code == 200
    assert http.post(f"{base}/status").status_code == 403, "a form without its token"
    answer = http.post(f"{base}/status", headers={"X-Api-Key": server.credential})
    assert answer.text == "ok"
    assert (answer.headers["x-frame-options"], answer.headers["vary"]) == ("DENY", "Accept-Language, origin")
    number = server.upload("minus.txt", b"minus", collection=place(server, "minus"))
    assert server.get(f"download/{number}", Range="bytes=--1").status_code == 200
    types = {item["mime"]: item["extensions"] for item in server.rpc("supported_file_types")}
    assert len(types) == 948
    assert server.rpc("resource", server.upload("a.exe", b"exe"))["type"] == "application/octet-stream", "of two types"
