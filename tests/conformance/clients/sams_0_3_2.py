"""What sams-client 0.3.2 sees of a server: each check is run by itself, inside that client's environment.

`facts` has url, credential and root_url. What is expected was observed on the real server. Checks share one server, so
each makes a set of its own. The client imports a setting from Superdesk itself, which stands in here.
"""

import hashlib
import io
import json
import os
import sys
import types
import uuid
import zipfile
from urllib.parse import urlsplit

settings = types.ModuleType("superdesk.default_settings")
settings.env = lambda name, default=None: os.environ.get(name, default)
sys.modules |= {"superdesk": types.ModuleType("superdesk"), "superdesk.default_settings": settings}

from sams_client import SamsClient  # noqa: E402

facts = json.loads(sys.argv[2])


def connected(key):
    address = urlsplit(facts["root_url"])
    config = {"HOST": address.hostname, "PORT": str(address.port)}
    return SamsClient({**config, "SAMS_AUTH_TYPE": "sams_client.auth.basic", "SAMS_AUTH_KEY": key})


client = connected(facts["credential"])
DESTINATION = client.destinations.search().json()["_items"][1]["_id"]
PICTURE = bytes.fromhex(
    "424d3e00000000000000360000002800000002000000010000000100180000000000080000000000000000000000000000000000"
    "0000000000ff00ff00000000"
)  # two pixels, BMP


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    return answer.json()


def new_set(state="usable", **more):
    document = {"name": uuid.uuid4().hex, "state": state, "destination_name": DESTINATION, **more}
    answer = client.sets.create(docs=document)
    assert answer.status_code == 201, answer.text
    return answer.json()


def new_asset(set_id, content=b"hello", filename="a.txt", user="u", **more):
    document = {"set_id": set_id, "filename": filename, "name": filename, **more}
    answer = client.assets.create(docs=document, files={"binary": content}, external_user_id=user)
    assert answer.status_code == 201, answer.text
    return answer.json()


def check_root_lists_five_resources():
    answer = client.get("/")
    assert answer.status_code == 200
    hrefs = [child["href"] for child in answer.json()["_links"]["child"]]
    assert hrefs == ["admin/sets", "admin/destinations", "consume/sets", "consume/assets", "produce/assets"]


def check_a_wrong_key_is_refused():
    refused(connected("0000").get("/"), 401, "04003")


def check_destinations():
    found = client.destinations.search().json()["_items"]
    assert [item["_id"] for item in found] == sorted(item["_id"] for item in found)
    assert all(item["provider"] for item in found)
    refused(client.destinations.get_by_id("nope"), 404, "05001")
    refused(client.destinations.get_by_id("no-such_name"), 404, "03404")
    answers = [client.destinations.create({}), client.destinations.update("x", {}), client.destinations.delete("x")]
    assert [answer.status_code for answer in answers] == [405] * 3  # made by the client itself


def check_sets_are_made_one_by_one_and_in_lists():
    first = new_set()
    pair = [{"name": uuid.uuid4().hex, "destination_name": DESTINATION} for _ in range(2)]
    assert len(client.sets.create(docs=pair).json()["_items"]) == 2
    again = client.sets.create(docs={"name": first["name"], "destination_name": DESTINATION})
    assert refused(again, 400, "04001")["errors"] == {"name": ["unique"]}
    nameless = client.sets.create(docs={"destination_name": DESTINATION})
    assert refused(nameless, 400, "04001")["errors"] == {"name": ["required"]}


def check_the_life_of_a_set():
    item = new_set("draft")
    refused(client.sets.update(item["_id"], {"state": "usable"}), 428, "03428")
    item = client.sets.update(item["_id"], {"state": "usable"}, headers={"If-Match": item["_etag"]}).json()
    etag = {"If-Match": item["_etag"]}
    refused(client.sets.update(item["_id"], {"state": "draft"}, headers=etag), 400, "07001")
    refused(client.sets.delete(item["_id"], headers=etag), 400, "07005")
    item = client.sets.update(item["_id"], {"state": "disabled"}, headers=etag).json()
    assert client.sets.delete(item["_id"], headers={"If-Match": item["_etag"]}).status_code == 204
    assert client.sets.get_by_id(item["_id"]).status_code == 404


def check_an_asset_is_made_and_read():
    asset = new_asset(new_set()["_id"], b"some content\n", tags=[{"code": "t", "name": "T"}], extra={"k": [1]})
    assert (asset["length"], asset["mimetype"], asset["original_creator"]) == (13, "text/plain", "u")
    found = client.assets.get_by_id(asset["_id"]).json()
    assert found["binary"] == found["_media_id"]
    assert (found["tags"], found["extra"]) == ([{"code": "t", "name": "T"}], {"k": [1]})
    answer = client.assets.get_binary_by_id(asset["_id"])
    assert answer.content == b"some content\n"
    assert answer.headers["etag"] == f'"{hashlib.sha1(answer.content).hexdigest()}"'
    missing = refused(client.assets.get_binary_by_id("unknown"), 404, "08002")
    assert "unknown" in missing["description"]


def check_what_cannot_be_made():
    document = {"set_id": new_set("draft")["_id"], "filename": "a", "name": "a"}
    refused(client.assets.create(docs=document, files={"binary": b"x"}), 400, "08003")
    refused(client.assets.create(docs={**document, "set_id": new_set()["_id"]}, files=None), 400, "08001")


def check_an_asset_is_changed():
    asset = new_asset(new_set()["_id"])
    changed = client.assets.update(asset["_id"], {"name": "other"}, headers={"If-Match": asset["_etag"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "other")
    headers = {"If-Match": changed.json()["_etag"]}
    replaced = client.assets.update(asset["_id"], {}, files={"binary": b"new"}, headers=headers)
    assert replaced.status_code == 200, replaced.text
    assert replaced.json()["_media_id"] != asset["_media_id"]
    assert client.assets.get_binary_by_id(asset["_id"]).content == b"new"


def check_asking_for_many_ids_gets_25():
    set_id = new_set()["_id"]
    ids = [new_asset(set_id, filename=f"f{number}")["_id"] for number in range(30)]
    answer = client.assets.get_by_ids(ids).json()
    assert (len(answer["_items"]), answer["_meta"]["total"]) == (25, 30)
    assert client.assets.get_assets_count([set_id]) == ({set_id: 30}, 200)
    counts, status = client.assets.get_assets_count()
    assert status == 200
    assert counts[set_id] == 30


def check_tag_codes_come_most_used_first():
    set_id = new_set()["_id"]
    often, once = {"code": uuid.uuid4().hex, "name": "often"}, {"code": uuid.uuid4().hex, "name": "once"}
    for tags in ([often, once], [often], [often]):
        new_asset(set_id, tags=tags)
    codes, status = client.assets.get_tag_codes(size=1)
    assert (codes, status) == ({"tags": [often["code"]]}, 200)


def check_a_zip_of_two():
    set_id = new_set()["_id"]
    assets = [new_asset(set_id, content)["_id"] for content in (b"one", b"two")]
    answer = client.assets.get_binary_zip_by_id(assets)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert [archive.read(member) for member in archive.infolist()] == [b"one", b"two"]
        assert archive.namelist() == ["a.txt", "a.txt"]


def check_locks():
    asset = new_asset(new_set()["_id"])["_id"]
    ann, ben = ({"external_user_id": user, "external_session_id": "s"} for user in ("ann", "ben"))
    assert client.assets.lock_asset({"lock_action": "edit"}, asset, **ann).status_code == 200
    refused(client.assets.lock_asset({"lock_action": "edit"}, asset, **ann), 400, "08009")
    refused(client.assets.unlock_asset({}, asset, **ben), 400, "08007")
    assert client.assets.unlock_asset({}, asset, **ann).status_code == 200
    refused(client.assets.unlock_asset({}, asset, **ann), 400, "08010")
    assert client.assets.lock_asset({"lock_action": "edit"}, asset, **ann).status_code == 200
    assert client.assets.unlock_asset({"force": True}, asset, **ben).status_code == 200
    assert client.assets.lock_asset({"lock_action": "edit"}, asset, **ann).status_code == 200
    answer = client.assets.unlock_assets_by_user(**ann)
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.assets.get_by_id(asset).json()["lock_action"] is None


def check_renditions():
    asset = new_asset(new_set()["_id"], PICTURE, "p.bmp", mimetype="image/bmp")["_id"]
    answer = client.images.generate_rendition(asset, width=100, height=100, name="thumb")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = client.images.download(asset, width=100, height=100)
    assert answer.headers["content-type"] == "image/bmp"
    assert client.assets.get_by_id(asset).json()["renditions"][-1]["name"] == "thumb"
    refused(client.images.generate_rendition(asset), 400, "10001")
    assert client.images.download(asset).content == PICTURE


def check_deleting_twice_is_fine():
    asset = new_asset(new_set()["_id"])
    for _ in range(2):
        assert client.assets.delete(asset["_id"], headers={"If-Match": asset["_etag"]}).status_code == 204


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"]()
