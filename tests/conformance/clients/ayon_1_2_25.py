"""What ayon-python-api 1.2.25 sees of a server: each check is run by itself, inside that client's environment.

`facts` has url, credential, project, artist, admin. Checks share one server, so each makes folders of its own.
"""

import itertools
import json
import struct
import sys
import threading
import time
import urllib.request
import uuid
import zlib
from pathlib import Path

from ayon_api import ServerAPI
from ayon_api.exceptions import AuthenticationError, FailedOperations, HTTPRequestError
from ayon_api.operations import OperationsSession

facts = json.loads(sys.argv[2])
URL, PROJECT = facts["url"], facts["project"]
PATIENCE = 30  # seconds


def picture(path="p.png"):
    """A small PNG made by nothing but the standard library."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0\xff\0\0\0\0\xff")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


def connected():
    return ServerAPI(URL, token=facts["credential"])


def name():
    return "x" + uuid.uuid4().hex[:12]


def new_version(api, versions=1, path=None):
    """A folder with a product with versions; returns the ids."""
    folder = api.create_folder(PROJECT, path or name(), folder_type="Asset")
    product = api.create_product(PROJECT, "modelMain", "model", folder)
    made = [api.create_version(PROJECT, number + 1, product) for number in range(versions)]
    return folder, product, made


def check_a_service_key():
    api = connected()
    assert api.get_headers()["X-Api-Key"] == facts["credential"]
    assert api.is_service_user()
    assert api.get_user()["name"] == facts["user"]
    assert api.get_server_version().startswith("1.16.0")
    assert api.get_server_version_tuple()[:3] == (1, 16, 0)


def check_login_and_logout():
    api = ServerAPI(URL)
    api.login(facts["artist"]["name"], facts["artist"]["password"])
    assert api.get_headers()["Authorization"].startswith("Bearer ")
    assert api.get_user()["name"] == facts["artist"]["name"]
    api.logout()
    try:
        ServerAPI(URL).login(facts["artist"]["name"], "wrong")
    except AuthenticationError:
        return
    raise AssertionError("a wrong password was taken")


def check_acting_as_somebody_else():
    api = connected()
    with api.as_username(facts["artist"]["name"]):
        assert api.get_user()["name"] == facts["artist"]["name"]
    assert api.get_user()["name"] == facts["user"]


def check_projects():
    api = connected()
    assert PROJECT in api.get_project_names()
    project = api.get_project(PROJECT)
    assert [status["name"] for status in project["statuses"]][:2] == ["Not ready", "Ready to start"]
    assert {entry["name"] for entry in project["folderTypes"]} >= {"Asset", "Shot"}
    assert api.get_project(PROJECT, fields={"name", "statuses.name", "config"})["name"] == PROJECT
    assert [project["name"] for project in api.get_projects(fields={"name"})] == api.get_project_names()
    assert api.get_project_roots_by_platform(PROJECT, "linux") == {"work": "/mnt/share/projects"}
    anatomy = api.get_project_anatomy_preset()
    assert anatomy["roots"]
    assert api.get_attributes_for_type("folder")["fps"]["default"] == 25


def check_the_life_of_a_project():
    api = connected()
    made = "p" + uuid.uuid4().hex[:8]
    api.create_project(made, made[:4])
    assert made in api.get_project_names()
    api.update_project(made, active=False)
    assert made not in api.get_project_names(active=True)
    api.delete_project(made)
    assert made not in api.get_project_names(active=None)


def check_folders():
    api = connected()
    top = name()
    parent = api.create_folder(PROJECT, top, folder_type="Folder")
    made = api.create_folder(PROJECT, "x", folder_type="Asset", parent_id=parent, label="An X", attrib={"fps": 30.0})
    found = api.get_folder_by_path(PROJECT, f"/{top}/x")
    assert (found["id"], found["label"]) == (made, "An X")
    own = api.get_folder_by_id(PROJECT, made, own_attributes=True)
    assert own["ownAttrib"]["fps"] == 30.0
    api.update_folder(PROJECT, made, label="Other", attrib={"fps": None})
    found = api.get_folder_by_id(PROJECT, made, own_attributes=True)
    shown = (found["label"], found["attrib"]["fps"], found["ownAttrib"]["fps"])
    # The names are selected in any order, and the server spoils own values when effective ones come first.
    assert shown in (("Other", 25.0, None), ("Other", 25.0, 25.0)), shown
    assert [folder["name"] for folder in api.get_folders(PROJECT, parent_ids={parent})] == ["x"]
    assert parent in [folder["id"] for folder in api.get_folders(PROJECT, parent_ids={None}, fields={"id"})]
    assert {folder["path"].strip("/") for folder in api.get_folders_rest(PROJECT)} >= {top, f"{top}/x"}
    assert top in [node["name"] for node in api.get_folders_hierarchy(PROJECT)["hierarchy"]]
    api.delete_folder(PROJECT, parent)
    assert api.get_folder_by_id(PROJECT, made) is None


def check_tasks():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    made = api.create_task(PROJECT, "model", "Modeling", folder, assignees=[facts["user"]])
    assert api.get_task_by_id(PROJECT, made)["assignees"] == [facts["user"]]
    api.update_task(PROJECT, made, status="In progress", tags=["a"])
    [task] = api.get_tasks(PROJECT, folder_ids={folder}, statuses={"In progress"})
    assert (task["id"], task["tags"]) == (made, ["a"])
    assert [task["id"] for task in api.get_tasks(PROJECT, folder_ids={folder}, assignees_all={facts["user"]})] == [made]
    path = api.get_folder_by_id(PROJECT, folder)["path"]
    assert next(iter(api.get_tasks_by_folder_paths(PROJECT, [path])[path]))["id"] == made
    api.delete_task(PROJECT, made)
    assert list(api.get_tasks(PROJECT, folder_ids={folder})) == []


def check_pages_of_three_hundred():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    product = api.create_product(PROJECT, "many", "render", folder)
    session = OperationsSession(api)
    for number in range(301):
        session.create_version(PROJECT, number, product)
    session.commit()
    numbers = [version["version"] for version in api.get_versions(PROJECT, product_ids={product})]
    assert sorted(numbers) == list(range(301))
    assert api.get_last_version_by_product_id(PROJECT, product)["version"] == 300
    found = [version["version"] for version in api.get_versions(PROJECT, product_ids={product}, versions={5, 7})]
    assert sorted(found) == [5, 7]


def check_versions_and_the_hero():
    api = connected()
    folder, product, versions = new_version(api, 2)
    assert api.get_hero_version_by_product_id(PROJECT, product) is None
    hero = api.create_version(PROJECT, -2, product)
    found = api.get_hero_version_by_product_id(PROJECT, product)
    assert (found["id"], found["version"]) == (hero, -2)
    assert api.get_hero_version_by_id(PROJECT, hero)["id"] == hero
    last = api.get_last_version_by_product_name(PROJECT, "modelMain", folder)
    assert (last["id"], last["version"]) == (versions[1], 2)
    assert api.get_version_by_name(PROJECT, 1, product)["id"] == versions[0]
    assert api.version_is_latest(PROJECT, versions[1])
    with_hero = {v["version"] for v in api.get_versions(PROJECT, product_ids={product}, hero=True)}
    assert with_hero == {1, 2, -2}
    assert [p["id"] for p in api.get_products(PROJECT, folder_ids={folder}, product_types={"model"})] == [product]
    assert api.get_product_by_name(PROJECT, "modelMain", folder)["id"] == product
    api.update_version(PROJECT, versions[0], status="Approved", attrib={"comment": "fine"})
    assert api.get_version_by_id(PROJECT, versions[0])["attrib"]["comment"] == "fine"


def check_representations():
    api = connected()
    folder, product, [version] = new_version(api)
    file = {"id": uuid.uuid4().hex, "name": "a.abc", "path": "{root[work]}/a.abc", "size": 12345678901, "hash": "0"}
    data = {"context": {"ext": "abc", "folder": {"name": "here"}, "project": {"name": PROJECT}}}
    made = api.create_representation(PROJECT, "abc", version, files=[file], data=data, attrib={"path": "/mnt/a.abc"})
    found = api.get_representation_by_name(PROJECT, "abc", version)
    assert (found["id"], found["files"][0]["size"], found["context"]["ext"]) == (made, 12345678901, "abc")
    parents = api.get_representation_parents(PROJECT, made)
    assert (parents.version["id"], parents.product["id"], parents.folder["id"]) == (version, product, folder)
    assert api.get_repre_ids_by_context_filters(PROJECT, {"ext": ["ab."]}, version_ids={version}) == [made]
    assert api.get_repre_ids_by_context_filters(PROJECT, {"ext": ["exr"]}, version_ids={version}) == []
    [uri] = api.get_project_entity_uris(PROJECT, "representation", [made])
    path = api.get_folder_by_id(PROJECT, folder)["path"]
    assert uri["uri"] == f"ayon+entity://{PROJECT}{path}?product=modelMain&version=v001&representation=abc"
    [resolved] = api.resolve_uris([uri["uri"]])
    assert resolved["entities"][0]["representationId"] == made
    api.update_representation(PROJECT, made, files=[{**file, "name": "b.abc"}])
    assert [f["name"] for f in api.get_representation_by_id(PROJECT, made)["files"]] == ["b.abc"]
    api.delete_representation(PROJECT, made)
    assert list(api.get_representations(PROJECT, version_ids={version})) == []


def check_workfiles():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    task = api.create_task(PROJECT, "model", "Modeling", folder)
    path = "{root[work]}/" + name() + "/a.ma"
    made = api.create_workfile_entity(PROJECT, path, task, attrib={"extension": "ma"})
    assert api.get_workfile_entity(PROJECT, task, path)["id"] == made
    assert [w["id"] for w in api.get_workfile_entities(PROJECT, task_ids={task})] == [made]
    api.update_workfile_entity(PROJECT, made, status="In progress")
    assert api.get_workfile_entity_by_id(PROJECT, made)["status"] == "In progress"
    api.delete_workfile_entity(PROJECT, made)
    assert api.get_workfile_entity_by_id(PROJECT, made) is None


def check_a_publish_in_one_batch():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    session = OperationsSession(api)
    product = session.create_product(PROJECT, "renderMain", "render", folder)
    version = session.create_version(PROJECT, 1, product.entity_id)
    representation = session.create_representation(PROJECT, "exr", version.entity_id, files=[])
    session.commit()
    found = api.get_representation_by_id(PROJECT, representation.entity_id)
    assert found["versionId"] == version.entity_id
    assert api.get_product_by_id(PROJECT, product.entity_id)["name"] == "renderMain"


def check_a_batch_that_fails_leaves_nothing():
    api = connected()
    top = name()
    api.create_folder(PROJECT, top)
    session = OperationsSession(api)
    made = session.create_folder(PROJECT, name())
    session.create_folder(PROJECT, top.upper())
    try:
        session.commit()
    except FailedOperations:
        assert api.get_folder_by_id(PROJECT, made.entity_id) is None
        return
    raise AssertionError("a name was taken twice")


def check_operations_sent_directly():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    operation = {"id": "1", "type": "update", "entityType": "folder", "entityId": folder, "data": {"label": "B"}}
    [result] = api.send_batch_operations(PROJECT, [operation])
    assert result["success"]
    assert api.get_folder_by_id(PROJECT, folder)["label"] == "B"


def check_files():
    api = connected()
    content = bytes(range(256)) * 8192  # 2 MiB
    Path("up.bin").write_bytes(content)
    file_id = api.upload_project_file(PROJECT, "up.bin", content_type="application/octet-stream").json()["id"]
    api.download_project_file(PROJECT, file_id, Path("down.bin").absolute().as_posix())
    assert Path("down.bin").read_bytes() == content
    assert api.get_project_file_info(PROJECT, file_id)["size"] == len(content)
    api.delete_project_file(PROJECT, file_id)


def check_a_transfer_that_breaks_is_resumed():
    api = connected()
    content = bytes(range(256)) * 8192
    Path("up.bin").write_bytes(content)
    file_id = api.upload_project_file(PROJECT, "up.bin", content_type="application/octet-stream").json()["id"]
    fault = {"fault": "cut", "match": {"kind": "payload"}, "after": 1 << 20}
    urllib.request.urlopen(f"{facts['root_url']}/_sandbox/faults", json.dumps(fault).encode()).close()
    api.download_project_file(PROJECT, file_id, Path("down.bin").absolute().as_posix())
    assert Path("down.bin").read_bytes() == content


def check_thumbnails():
    api = connected()
    folder, _product, [version] = new_version(api)
    thumbnail = api.create_thumbnail(PROJECT, picture())
    api.update_version(PROJECT, version, thumbnail_id=thumbnail)
    found = api.get_version_thumbnail(PROJECT, version)
    assert (found.content_type, found.id, found.is_valid) == ("image/png", thumbnail, True)
    assert found.content.startswith(b"\x89PNG")
    assert api.get_version_by_id(PROJECT, version)["thumbnailId"] == thumbnail
    assert api.get_folder_thumbnail(PROJECT, folder).id is None


def check_links():
    api = connected()
    _folder, _product, [first, second] = new_version(api, 2)
    link = api.create_link(PROJECT, "reference", first, "version", second, "version", link_name="lead")["id"]
    [found] = api.get_version_links(PROJECT, first)
    assert (found["id"], found["direction"], found["entityId"], found["name"]) == (link, "out", second, "lead")
    assert api.get_version_links(PROJECT, second, link_direction="out") == []
    assert {entry["name"] for entry in api.get_link_types(PROJECT)} >= {"reference|version|version"}
    api.delete_link(PROJECT, link)
    assert api.get_version_links(PROJECT, first) == []


def check_comments_with_files():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    Path("note.txt").write_bytes(b"a note")
    file_id = api.upload_project_file(PROJECT, "note.txt", content_type="text/plain").json()["id"]
    made = api.create_activity(PROJECT, folder, "folder", "comment", body="see the note", file_ids=[file_id])
    [found] = api.get_activities(PROJECT, entity_ids={folder}, activity_types={"comment"})
    assert (found["activityId"], found["body"]) == (made, "see the note")
    assert [file["id"] for file in found["activityData"]["files"]] == [file_id]
    api.update_activity(PROJECT, made, body="never mind")
    assert api.get_activity_by_id(PROJECT, made)["body"] == "never mind"
    api.delete_activity(PROJECT, made)
    assert list(api.get_activities(PROJECT, entity_ids={folder}, activity_types={"comment"})) == []


def check_events_arrive():
    api = connected()
    folder = api.create_folder(PROJECT, name(), status="Not ready")
    heard, seen = threading.Event(), []

    def told(event):
        seen.append((event.topic, event.summary["entityId"]))
        heard.set()

    hub = api.get_event_hub()
    hub.add_callback("entity.folder.*", told)
    deadline = time.monotonic() + PATIENCE
    for status in itertools.cycle(["In progress", "On hold"]):  # the subscription is not acknowledged
        api.update_folder(PROJECT, folder, status=status)
        if heard.wait(0.3) or time.monotonic() > deadline:
            break
    hub.stop()
    assert ("entity.folder.status_changed", folder) in seen, seen


def check_events_are_kept():
    api = connected()
    folder = api.create_folder(PROJECT, name())
    fields = {"id", "summary", "topic", "project"}
    found = api.get_events(topics={"entity.folder.*"}, project_names={PROJECT}, fields=fields)
    [event] = [event for event in found if folder in json.dumps(event["summary"])]
    assert event["topic"] == "entity.folder.created"
    assert api.get_event(event["id"])["summary"]["entityId"] == folder
    made = api.dispatch_event("custom.thing", project_name=PROJECT, description="x", payload={"a": 1}).data["id"]
    assert api.get_event(made)["payload"] == {"a": 1}
    api.update_event(made, description="y")
    assert api.get_event(made)["description"] == "y"


def check_folders_with_products_need_force():
    api = connected()
    folder, product, _versions = new_version(api)
    status = None
    try:
        api.delete_folder(PROJECT, folder)
    except HTTPRequestError as error:
        status = error.response.status_code
    assert status == 409
    api.delete_folder(PROJECT, folder, force=True)
    assert api.get_product_by_id(PROJECT, product) is None


def check_reviewables():
    api = connected()
    _folder, _product, [version] = new_version(api)
    api.upload_reviewable(PROJECT, version, picture(), label="beauty")
    [found] = api.get_version_reviewables(PROJECT, version)["reviewables"]
    assert found["label"] == "beauty"
    assert api.get_version_by_id(PROJECT, version)["thumbnailId"]


def check_lists():
    api = connected()
    _folder, _product, versions = new_version(api, 2)
    items = [{"entityId": version} for version in versions]
    made = api.create_entity_list(PROJECT, "version", name(), items=items)
    found = api.get_entity_list_rest(PROJECT, made)
    assert [item["entityId"] for item in found["items"]] == versions
    assert api.get_entity_list_by_id(PROJECT, made)["count"] == 2
    api.delete_entity_list(PROJECT, made)


def check_users():
    api = connected()
    names = {user["name"] for user in api.get_users()}
    assert names >= {facts["artist"]["name"], facts["admin"]["name"]}
    [artist] = api.get_users(usernames=[facts["artist"]["name"]])
    assert artist["accessGroups"][PROJECT] == ["artist"]


if __name__ == "__main__":
    globals()[f"check_{sys.argv[1]}"]()
