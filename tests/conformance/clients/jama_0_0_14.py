"""What jama-client-CERTIC 0.0.14 sees of a classic server: each check runs by itself in that client's environment.

`facts` has url and credential. There are no projects in this API; collections without a parent are at the root.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from jama_client import AlreadyUploaded, Client, ServiceError
from requests import get, post

facts = json.loads(sys.argv[2])
client = Client(facts["url"], facts["credential"])
CONTENT = b"".join(b"%05d" % n for n in range(5))


def refused(call, *params):
    try:
        call(*params)
    except ServiceError as error:
        return error.message
    raise AssertionError("not refused")


def upload(name, content, collection=None, **options):
    Path(name).write_bytes(content)
    resource = client.upload(name, **options)
    if collection:
        client.add_resource_to_collection(resource, collection)
    return resource


def check_ping_and_tables():
    assert client.ping() == "pong admin"
    assert {"mime": "image/jpeg", "extensions": ["jpeg", "jpg", "jpe"], "iiif_support": True} in (
        client.supported_file_types()
    )
    assert client.advanced_search_terms() == ["is", "contains", "does_not_contain"]
    assert client.metadatatypes() == [{"id": 1, "title": "text"}, {"id": 2, "title": "numeric"}]
    for method in ("projects_user_permissions", "client_configuration", "replace_file", "recycle_bin"):
        assert refused(getattr(client, method), False) == "no such method"


def check_collections():
    top = client.add_collection("top")
    assert (top["parent"], top["children"], top["descendants_count"]) == (None, None, 0)
    assert set(top) == {
        *("id", "title", "resources_count", "children_count", "descendants_count", "descendants_resources_count"),
        *("parent", "children", "metas", "public_access", "tags"),
    }
    a, b = client.add_collection("a", top["id"]), client.add_collection("b", top["id"])
    assert client.add_collection("a", top["id"])["id"] == a["id"]
    chain = client.add_collection_from_path("/top/a/deep/")
    assert [item["title"] for item in chain] == ["top", "a", "deep"]
    assert [item["title"] for item in client.ancestors_from_collection(chain[2]["id"], True)] == ["top", "a", "deep"]
    assert [item["title"] for item in client.collections(top["id"])] == ["a", "b"]
    tree = next(item for item in client.collections(recusive=True) if item["id"] == top["id"])
    assert [(item["title"], [below["title"] for below in item["children"]]) for item in tree["children"]] == [
        ("a", ["deep"]),
        ("b", []),
    ]
    assert tree["descendants_count"] == 3
    assert client.rename_collection(b["id"], "a") is False
    assert client.rename_collection(b["id"], "c") is True
    assert client.move_collection(chain[2]["id"], b["id"]) is True
    assert client.move_collection(b["id"], chain[2]["id"]) is False
    assert client.move_collection(b["id"]) is True
    assert client.collection(b["id"])["parent"] is None
    assert client.publish_collection(b["id"]) is True
    assert client.collection(chain[2]["id"])["public_access"] is True
    assert client.unpublish_collection(b["id"]) is True
    assert client.delete_collection(b["id"])["success"] is False
    assert client.delete_collection(b["id"], True)["success"] is True
    assert refused(client.collection, chain[2]["id"]) == "no such collection"
    assert client.add_collection("c")["id"] != b["id"]


def check_upload_in_chunks():
    resource = upload("chunks.txt", CONTENT, chunk_size=10, origin_dir_name="dirA/dirB")
    assert [item["title"] for item in client.ancestors_from_resource(resource)[0]] == ["dirA", "dirB"]
    item = client.resource(resource)
    assert set(item) == {"id", "title", "original_name", "type", "hash", "metas", "urls", "tags"}
    assert (item["title"], item["type"], item["metas"]) == ("chunks.txt", "text/plain", [])
    assert isinstance(item["urls"], list)
    answer = get(f"{facts['url']}download/{resource}", headers={"X-Api-Key": facts["credential"]})
    assert answer.content == CONTENT
    try:
        client.upload("chunks.txt")
    except AlreadyUploaded:
        return
    raise AssertionError("uploaded twice")


def check_resuming_an_upload():
    path = Path("resumed.txt")
    path.write_bytes(CONTENT[::-1])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    headers = {
        "X-Api-Key": facts["credential"],
        "X-file-hash": digest,
        "X-file-chunk": "1/3",
        "X-file-name": base64.b64encode(path.name.encode()),
    }
    assert post(facts["url"] + "upload/partial/", path.read_bytes()[10:20], headers=headers).status_code == 202
    assert client.upload_infos(digest) == {"status": "incomplete", "id": None, "available_chunks": ["3-1.part"]}
    resource = client.upload(str(path), chunk_size=10)
    assert client.resource(resource)["hash"] == digest
    assert client.upload_infos(digest) == {"status": "available", "id": resource, "available_chunks": []}


def check_chunks_may_start_at_one():
    content = b"numbered from one"
    headers = {
        "X-Api-Key": facts["credential"],
        "X-file-hash": hashlib.sha256(content).hexdigest(),
        "X-file-name": base64.b64encode("à partir de un.txt".encode()),
    }
    answers = [
        post(facts["url"] + "upload/partial/", part, headers={**headers, "X-file-chunk": f"{n}/2"})
        for n, part in ((1, content[:9]), (2, content[9:]))
    ]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert client.resource(int(answers[1].text))["title"] == "à partir de un.txt"


def check_an_empty_file_makes_no_request():
    Path("nothing.txt").write_bytes(b"")
    assert client.upload("nothing.txt") is None


def check_metadata():
    place = client.add_collection("described")["id"]
    resource = upload("described.txt", b"described", place)
    own = client.add_metadataset("own")
    assert {"id": own, "title": "own", "owner": "admin", "metas_count": 0} in client.metadatasets()
    note, year = client.add_metadata("note", own), client.add_metadata("year", own, 2)
    assert client.add_metadata("note", own) == note
    assert client.metadata(note) == {
        "id": note,
        "title": "note",
        "set_id": own,
        "set_title": "own",
        "rank": 0,
        "owner": "admin",
    }
    value = client.add_meta_to_resource(resource, note, "first")
    assert client.add_meta_to_resource(resource, note, "first") == value
    assert refused(client.add_meta_to_resource, resource, year, "not a number") == "wrong argument"
    client.add_meta_to_resource(resource, year, "1931")
    assert [item["value"] for item in client.resource(resource)["metas"]] == ["first", "1931"]
    assert client.change_resource_meta_value(value, "second") is True
    assert client.remove_meta_from_resource(resource, value) is True
    assert client.remove_meta_from_resource(resource, value) is False
    assert [item["metas"] for item in client.resources(place, False)] == [None]
    on_place = client.add_meta_to_collection(place, note, "of the place")
    assert client.change_collection_meta_value(on_place, "changed") is True
    assert client.collection(place)["metas"][0]["value"] == "changed"
    assert client.remove_meta_from_collection(place, on_place) is True
    assert client.rename_meta(note, "remark") is True
    assert [item["title"] for item in client.metadatas(own)] == ["remark", "year"]


def check_tags():
    place = client.add_collection("tagged")["id"]
    resource = upload("tagged.txt", b"tagged", place)
    assert client.set_tag("T", "label")["label"] == "label"
    assert client.tags()[-1] == {"id": client.tags()[-1]["id"], "uid": "T", "label": "label", "ark": None}
    assert client.add_tag_to_resource("T", resource) is True
    assert client.add_tag_to_collection("T", place) is True
    assert refused(client.add_tag_to_resource, "NO", resource) == "no such tag"
    assert [tag["uid"] for tag in client.resource(resource)["tags"]] == ["T"]
    assert client.remove_tag_from_resource("T", resource) is True
    assert client.remove_tag_from_collection("T", place) is True
    assert client.remove_tag("T") is True


def check_both_searches():
    place = client.add_collection("Searching place")["id"]
    resource = upload("searching.txt", b"searching", place)
    found = client.simple_search("SEARCHING")
    assert ([item["id"] for item in found["collections"]], [item["id"] for item in found["resources"]]) == (
        [place],
        [resource],
    )
    found = client.advanced_search([{"property": "title", "term": "is", "value": "Searching.TXT"}])
    assert (found["collections"], [item["id"] for item in found["resources"]]) == ([], [resource])


def check_renaming_and_deleting_for_good():
    place = client.add_collection("short lived")["id"]
    resource = upload("short.txt", b"short lived", place)
    assert client.rename_resource(resource, "renamed") is True
    assert client.resource(resource)["original_name"] == "short.txt"
    assert client.remove_resource_from_collection(resource, place) is True
    assert client.ancestors_from_resource(resource) == []
    assert client.delete_resource(resource) is True
    assert refused(client.resource, resource) == "no such resource"
    assert upload("short.txt", b"short lived", place) != resource


def check_the_eight_aliases():
    place = client.add_collection("aliases")["id"]
    resource = upload("alias.txt", b"alias")
    field = client.add_metadata("alias", client.add_metadataset("aliases"))
    assert client.add_file_to_collection(resource, place) is True
    value = client.add_meta_to_file(resource, field, "v")
    assert [item["value"] for item in client.file(resource)["metas"]] == ["v"]
    assert [item["id"] for item in client.files(place)] == [resource]
    assert client.remove_meta_from_file(resource, value) is True
    assert client.rename_file(resource, "renamed") is True
    assert client.remove_file_from_collection(resource, place) is True
    assert client.delete_file(resource) is True


globals()[f"check_{sys.argv[1]}"]()
