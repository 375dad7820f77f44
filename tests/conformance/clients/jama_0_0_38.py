"""What jama-client-CERTIC 0.0.38 sees of a server: each check is run by itself, inside that client's environment.

`facts` has url, credential, project, root and profile. What is expected was observed on the real server. Checks share
one server, so each works below a collection of its own.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from jama_client import Client, IncompleteUpload, ServiceError

facts = json.loads(sys.argv[2])
client = Client(facts["url"], facts["credential"])
PROJECT, ROOT = facts["project"], facts["root"]
LEGACY = facts["profile"] == "legacy"


def refused(call, *params):
    try:
        call(*params)
    except ServiceError as error:
        return error.message
    raise AssertionError("not refused")


def send(name, content, collection=None):
    """Upload in one chunk that is numbered from 1, which all servers take and the client's own upload does not do."""
    import base64

    headers = {
        "X-Api-Key": facts["credential"],
        "X-Project": str(PROJECT),
        "X-file-chunk": "1/1",
        "X-file-hash": hashlib.sha256(content).hexdigest(),
        "X-file-name": base64.b64encode(name.encode()).decode(),
    }
    with urlopen(Request(facts["url"] + "upload/partial/", content, headers)) as answer:
        resource = int(answer.read())
    if collection:
        client.add_resource_to_collection(resource, collection)
    return resource


def download(resource):
    with urlopen(Request(f"{facts['url']}download/{resource}", headers={"X-Api-Key": facts["credential"]})) as answer:
        return answer.read()


def check_who_and_what():
    assert client.ping() == "pong admin"
    assert client.project_stats(PROJECT)["project_root_collection_id"] == ROOT
    if LEGACY:
        assert refused(client.client_configuration) == "no such method"
    else:
        assert client.client_configuration()["JAMA_RPC_MAX_BATCH_SIZE"] == 100
    assert refused(client.public_collections, PROJECT) == "no such method"
    assert refused(client.collection, 999999) == "no such collection"
    assert refused(Client(facts["url"], "bad").ping) == "Response ended with status code 403"
    assert refused(Client(facts["url"][:-1], facts["credential"]).ping) == "Response ended with status code 405"
    assert refused(client.collection, "x") == "Response ended with status code 400"
    assert refused(Client("http://127.0.0.1:9/rpc/", "x").ping) == "Could not contact service"


def check_collections():
    top = client.add_collection("conf", ROOT)
    a, b = client.add_collection("a", top["id"]), client.add_collection("b", top["id"])
    assert client.add_collection("a", top["id"])["id"] == a["id"]
    assert [item["title"] for item in client.collections(top["id"])] == ["a", "b"]
    chain = client.add_collection_from_path("conf/a/deep/deeper", PROJECT)
    assert [len(item["ancestors"]) for item in chain] == [0, 1, 2, 3]
    if not LEGACY:
        assert client.find_collection_from_path("conf/a/deep", PROJECT)["id"] == chain[2]["id"]
        assert client.find_collection_from_path("conf/zzz", PROJECT) is None
    root_title = client.collection(ROOT)["title"]
    ancestors = client.ancestors_from_collection(chain[3]["id"], True)
    assert [item["title"] for item in ancestors] == [root_title, "conf", "a", "deep", "deeper"]
    assert client.move_collection(chain[3]["id"], b["id"]) is True
    assert client.rename_collection(chain[3]["id"], "x") is True
    assert client.rename_collection(b["id"], "a") is False
    assert client.delete_collection(top["id"]) == {"success": False, "status": "collection has descendants"}
    assert client.delete_collection(chain[3]["id"]) == {"success": True, "status": "all good"}
    assert client.delete_collection(chain[3]["id"]) == {"success": True, "status": "does not exist"}


def check_upload_with_chunks_from_zero():
    content = b"".join(b"%05d" % n for n in range(5))
    path = Path("chunks.txt")
    path.write_bytes(content)
    if not LEGACY:
        try:
            client.upload(str(path), PROJECT, chunk_size=10, origin_dir_name="dirA/dirB")
        except IncompleteUpload:
            assert client.upload_status[str(path)][0]["message"] == "failed with status 400 "
            assert [status["done"] for status in client.upload_status[str(path)].values()] == [False, True, True]
            return
        raise AssertionError("an upload from chunk 0 was taken")
    resource = client.upload(str(path), PROJECT, chunk_size=10, origin_dir_name="dirA/dirB")
    assert isinstance(resource, int)
    place = client.ancestors_from_resource(resource)[0]
    assert [item["title"] for item in place[1:]] == ["dirA", "dirB"]
    assert [item["id"] for item in client.resources(place[-1]["id"])] == [resource]
    assert download(resource) == content
    before = client.requests_count
    assert client.upload(str(path), PROJECT) == resource
    assert client.requests_count == before + 1


def check_upload_of_an_empty_file():
    Path("nothing.txt").write_bytes(b"")
    assert client.upload("nothing.txt", PROJECT) is None
    resource = send("nothing.txt", b"")
    assert client.upload("nothing.txt", PROJECT) == resource


def check_known_bytes_are_not_sent_again():
    content = b"known bytes"
    resource = send("known.txt", content)
    Path("again.txt").write_bytes(content)
    before = client.requests_count
    assert client.upload("again.txt", PROJECT) == resource
    assert client.requests_count == before + 1
    assert client.resource(resource)["title"] == "known.txt"


def check_resume_with_foreign_part_names():
    if LEGACY:
        return
    path = Path("resume.txt")
    path.write_bytes(b"0123456789" * 3)
    try:
        client.upload(str(path), PROJECT, chunk_size=10)
    except IncompleteUpload:
        pass
    else:
        raise AssertionError("complete")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert client.upload_infos(digest, PROJECT)["available_chunks"] == ["3-1.part", "3-2.part"]


def check_tags():
    place = client.add_collection("tags", ROOT)["id"]
    resource = send("tagged.txt", b"tagged", place)
    assert client.set_tag("T", PROJECT)["label"] == "T"
    assert client.add_tag_to_resource("T", resource) is True
    assert [item["id"] for item in client.resources(place, only_tags=["T"])] == [resource]
    assert client.resources(place, only_tags=["other"]) == []
    assert refused(client.add_tag_to_resource, "NO", resource) == "no such tag"
    assert client.remove_tag_from_resource("T", resource) is True
    if LEGACY:
        assert refused(client.delete_tag, "T", PROJECT) == "Response ended with status code 400"
    else:
        assert client.delete_tag("T", PROJECT) is True


def check_metadata():
    resource = send("described.txt", b"described")
    fields = client.metadatas(client.metadatasets(PROJECT)[0]["id"])
    field = next(item["id"] for item in fields if item["title"] == "title")
    value = client.add_meta_to_resource(resource, field, "A")
    assert client.add_meta_to_resource(resource, field, "A") == value
    assert client.resource(resource)["metas"][0]["value"] == "A"
    assert client.resource(resource, False)["metas"] is None
    assert client.change_resource_meta_value(value, "B") is True
    assert client.change_resource_meta_value(999999, "B") is False
    assert client.remove_meta_value_from_resource(resource, value) is True
    assert client.remove_meta_value_from_resource(resource, value) is False


def check_places_and_recycling():
    a, b = client.add_collection("from", ROOT)["id"], client.add_collection("to", ROOT)["id"]
    resource = send("moved.txt", b"moved", a)
    client.add_resource_to_collection(resource, b)
    assert len(client.ancestors_from_resource(resource)) == 2
    assert client.move_items(a, b, [], [resource]) == {"collections": {}, "resources": {str(resource): True}}
    assert client.delete_resource(resource) is True
    assert client.delete_resource(resource) is True
    assert resource in [item["id"] for item in client.recycle_bin(PROJECT)]
    assert client.restore_resource(resource, b) is True
    assert [chain[-1]["id"] for chain in client.ancestors_from_resource(resource)] == [b]


def check_replacing_content():
    old, new = send("old.txt", b"old content"), send("new.txt", b"new content")
    assert client.replace_file(new, old) is True
    assert refused(client.resource, new) == "no such resource"
    resource = client.resource(old)
    assert (resource["title"], resource["hash"]) == ("old.txt", hashlib.sha256(b"new content").hexdigest())
    assert download(old) == b"new content"


def check_windows():
    place = client.add_collection("windows", ROOT)["id"]
    for n in range(25):
        send(f"{n:02d}.txt", b"window %d" % n, place)
    assert [item["title"] for item in client.resources(place, limit_from=20, limit_to=60)] == [
        f"{n}.txt" for n in range(20, 25)
    ]
    found = client.project_items([], PROJECT, collection_id=place, limit_from=0, limit_to=3)
    assert (len(found["resources"]), found["resources_count"]) == (3, 25)
    assert refused(lambda: client.resources(place, limit_from=2, limit_to=1)) == "wrong argument"


def check_command_line():
    Path("scans/inner").mkdir(parents=True)
    Path("scans/one.txt").write_bytes(b"one by the command line")
    Path("scans/inner/two.txt").write_bytes(b"two by the command line")
    done = subprocess.run(
        [sys.executable, "-m", "jama_client", "upload", "scans", str(PROJECT), "-v"],
        env={**os.environ, "JAMA_ENDPOINT": facts["url"], "JAMA_API_KEY": facts["credential"]},
        capture_output=True,
        text=True,
        check=True,
    )
    word = "Uploaded" if LEGACY else "Incomplete"
    assert sorted(done.stdout.splitlines()[1:]) == [f"{word}: one.txt", f"{word}: two.txt"], done.stdout
    if LEGACY:
        scans = next(item["id"] for item in client.collections(ROOT) if item["title"] == "scans")
        inner = client.collections(scans)[0]
        assert (inner["title"], [item["title"] for item in client.resources(inner["id"])]) == ("inner", ["two.txt"])


globals()[f"check_{sys.argv[1]}"]()
