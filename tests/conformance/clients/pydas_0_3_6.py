"""What pydas 0.3.6 sees of a server: each check is run by itself, inside that client's environment.

`facts` has url, email, password, credential and name. pydas imports its own modules as Python 2 did, so the package's
folder itself is put on the path; its session is then the module `session`. It tries every call five times, with
pauses that are left out here. Checks share one server, so each works below a folder of its own.
"""

import hashlib
import importlib.util
import json
import os
import sys
import time
import zipfile
from pathlib import Path

sys.path.append(next(iter(importlib.util.find_spec("pydas").submodule_search_locations)))
time.sleep = lambda seconds: None

import session  # noqa: E402
from pydas import api, exceptions  # noqa: E402

facts = json.loads(sys.argv[2])
HOME = "/users/" + facts["name"].replace(" ", "_")
TREE = {"tree/a.txt": b"alpha\n", "tree/leaf/1.dcm": b"one" * 100, "tree/leaf/2.dcm": b"two" * 100}


def log_in():
    token = api.login(email=facts["email"], password=facts["password"], url=facts["url"])
    assert len(token) == 32
    return session.communicator


def plant(top):
    for name, content in TREE.items():
        path = Path(name.replace("tree", top, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return top


def folder(server, name):
    parent = next(row for row in server.list_user_folders(session.token) if row["name"] == "Private")
    return server.create_folder(session.token, name, parent["folder_id"])["folder_id"]


def upload(server, parent, name, content):
    Path(name).write_bytes(content)
    item = server.create_item(session.token, name, parent)["item_id"]
    checksum = hashlib.md5(content).hexdigest()
    token = server.generate_upload_token(session.token, item, name, checksum)
    if token:
        server.perform_upload(token, name, item_id=item)
    return item, token


def refused(kind, call, *params):
    try:
        call(*params)
    except kind:
        return
    raise AssertionError(f"{call.__name__} was not refused")


def check_who_and_what():
    server = log_in()
    assert server.get_server_version() == server.get_server_info() == "3.4.2"
    assert "api" in server.list_modules()
    assert server.get_user_by_email(facts["email"])["firstname"] == facts["name"].split()[0]
    assert [row["name"] for row in server.list_user_folders(session.token)] == ["Private", "Public"]
    assert api.login(email=facts["email"], api_key=facts["credential"], url=facts["url"]) == session.token


def check_uploading_a_tree_and_downloading_it():
    log_in()
    api.upload(plant("round"), destination=HOME + "/Private", leaf_folders_as_items=True)
    os.mkdir("back")
    api.download(HOME + "/Private/round", local_path="back")
    assert Path("back/round/a.txt").read_bytes() == TREE["tree/a.txt"]
    with zipfile.ZipFile("back/round/leaf.zip") as packed:
        assert sorted(packed.namelist()) == ["1.dcm", "2.dcm"]
        assert packed.read("2.dcm") == TREE["tree/leaf/2.dcm"]


def check_uploading_again_sends_no_bytes():
    log_in()
    for _ in range(2):
        api.upload(plant("again"), destination=HOME + "/Private", reuse_existing=True)


def check_one_file_goes_to_a_path():
    server = log_in()
    Path("single.txt").write_bytes(b"just one\n")
    api.upload("single.txt", destination=HOME + "/Public")
    found = server.search_item_by_name("single.txt", session.token)
    assert [item["sizebytes"] for item in found] == ["9"]


def check_metadata_of_what_was_uploaded():
    server = log_in()
    item, _ = upload(server, folder(server, "described"), "scan.raw", b"a scan")
    assert server.set_item_metadata(session.token, item, "DICOM", "Phantom", "PatientName") == "1"
    server.set_item_metadata(session.token, item, "subject", "head")
    values = {(row["element"], row["qualifier"]): row["value"] for row in server.get_item_metadata(item, session.token)}
    assert values == {("DICOM", "PatientName"): "Phantom", ("subject", ""): "head"}


def check_bytes_that_are_known_are_not_sent():
    server = log_in()
    place = folder(server, "known")
    _, first = upload(server, place, "first.bin", b"the same bytes")
    item, second = upload(server, place, "second.bin", b"the same bytes")
    assert first
    assert second == ""
    name, pieces = server.download_item(item, session.token)
    assert (name, b"".join(pieces)) == ("second.bin", b"the same bytes")


def check_searching():
    server = log_in()
    place = folder(server, "to find")
    item, _ = upload(server, place, "needle.txt", b"needle")
    results = server.search("needle", session.token)
    assert (results["nitems"], results["results"][0]["item_id"]) == ("1", item)
    by_folder = server.search_item_by_name_and_folder("needle.txt", place, session.token)
    by_name = server.search_item_by_name_and_folder_name("needle.txt", "to find", session.token)
    assert by_folder == by_name
    assert by_folder[0]["folder_id"] == place


def check_moving_sharing_and_deleting():
    server = log_in()
    place = folder(server, "from")
    other = folder(server, "to")
    item, _ = upload(server, place, "thing.txt", b"thing")
    shared = server.share_item(session.token, item, other)
    assert sorted(row["name"] for row in shared["owningfolders"]) == ["from", "to"]
    third = server.create_folder(session.token, "third", place)["folder_id"]
    moved = server.move_item(session.token, item, place, third)
    assert sorted(row["name"] for row in moved["owningfolders"]) == ["third", "to"]
    server.move_folder(session.token, third, other)
    server.delete_item(session.token, item)
    children = server.folder_children(session.token, other)
    assert ([row["name"] for row in children["folders"]], children["items"]) == (["third"], [])
    server.delete_folder(session.token, third)


def check_communities():
    server = log_in()
    made = server.create_community(session.token, "the lab", description="d")
    assert made["name"] == "The lab"
    assert server.get_community_by_name("The lab")["community_id"] == made["community_id"]
    folders = server.get_community_children(made["community_id"], session.token)["folders"]
    assert [row["name"] for row in folders] == ["Private", "Public"]
    assert "The lab" in [row["name"] for row in server.list_communities(session.token)]


def check_a_taken_name_gets_a_number():
    server = log_in()
    place = folder(server, "numbers")
    names = [server.create_item(session.token, "x", place)["name"] for _ in range(2)]
    assert names == ["x", "x (1)"]


def check_refusals():
    server = log_in()
    refused(exceptions.InvalidToken, server.folder_get, "bad", 1)
    refused(exceptions.InvalidPolicy, server.folder_get, session.token, 999999)
    refused(exceptions.InvalidToken, server.solr_advanced_search, "x", session.token)


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"]()
