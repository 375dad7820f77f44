"""Answers of the AYON sandbox that no recording asks for: all their fields, and what is refused in which words."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.conformance.patterns import difference
from tests.sandboxes import RunningSandbox
from tests.studio import Studio, unique

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x04\x00\x00\x00\xb5\x1c\x0c\x02\x00\x00\x00"
    b"\x0bIDATx\xdac\xfc_\x0f\x00\x02\x83\x01\x804\xc3Z\xc7\x00\x00\x00\x00IEND\xaeB`\x82"
)
NOWHERE = "d" * 32


@pytest.fixture
def folder(studio: Studio) -> str:
    return studio.folder(unique())


@pytest.fixture
def version(studio: Studio, folder: str) -> str:
    return studio.version(studio.product(folder))


def complaints(studio: Studio, method: str, path: str, body: Any = None, **more: Any) -> list[tuple[str, str]]:
    """Where a request does not fit its schema, and how."""
    answer = studio.send(method, f"api/projects/{studio.project}/{path}".rstrip("/"), body, **more)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"code", "detail", "path", "traceback", "errors"}
    return [(".".join(map(str, error["loc"])), error["type"]) for error in answer.json()["errors"]]


# What does not fit


@pytest.mark.parametrize(
    "path",
    ["folders/x", "files/x", "files/x/info", "files/x/payload", "versions/x/reviewables", "folders/x/thumbnail",
     "tasks/x/reviewables", "thumbnails/x"],
)  # fmt: skip
def test_ids_in_paths_have_32_characters(studio: Studio, path: str) -> None:
    [(where, kind)] = complaints(studio, "GET", path)
    assert where.startswith("path.")
    assert where.endswith("_id")
    assert kind == "value_error.any_str.min_length"


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("POST", "lists", {"label": "a"}, ["body.entityType"]),
        ("POST", "lists", {"label": "a", "entityType": "nonsense"}, ["body.entityType"]),
        ("POST", "links", {"linkType": "a|b|c"}, ["body.input", "body.output"]),
        ("POST", "links", {"linkType": "reference|version|version", "input": "x", "output": "y"}, ["body.input"]),
        ("POST", "links", [], ["body"]),
        ("POST", "uris", {"entityType": "nonsense", "ids": []}, ["body.entityType"]),
        ("POST", f"folder/{NOWHERE}/activities", {"body": "a"}, ["body.activityType"]),
        ("POST", f"folder/{NOWHERE}/activities", {"activityType": "shout"}, ["body.activityType"]),
        ("POST", f"tasks/{NOWHERE}/assign", {"mode": "add"}, ["body.users"]),
        ("POST", "operations", [], ["body"]),
        ("POST", "versions", {"version": "x", "productId": NOWHERE}, ["body.version"]),
        ("POST", "representations", {"name": "a", "versionId": NOWHERE, "files": [{}]},
         ["body.files.0.id", "body.files.0.path"]),
        ("GET", "siteRoots?platform=amiga", None, ["query.platform"]),
        ("GET", "folders?attrib=perhaps", None, ["query.attrib"]),
        ("PATCH", "", [], ["body"]),
        ("POST", "files", None, ["header.x-file-name", "header.content-type"]),
    ],
)  # fmt: skip
def test_requests_that_do_not_fit(studio: Studio, method: str, path: str, body: Any, where: list[str]) -> None:
    assert [place for place, _ in complaints(studio, method, path, body)] == where


def test_pages_of_projects_have_numbers(studio: Studio) -> None:
    answer = studio.send("GET", "api/projects?length=many")
    assert [error["loc"] for error in answer.json()["errors"]] == [["query", "length"]]
    assert studio.send("GET", "api/projects?length=1&page=2").json()["projects"] == []


def test_names_of_columns_are_taken_as_well(studio: Studio, folder: str) -> None:
    task = studio.api("POST", "tasks", {"name": "art", "task_type": "Art", "folder_id": folder})["id"]
    assert studio.get("task", task)["taskType"] == "Art"
    made = studio.api("POST", "lists", {"label": unique(), "entity_type": "task", "items": [{"entity_id": task}]})
    assert made["count"] == 1
    activity = studio.api("POST", f"task/{task}/activities", {"activity_type": "comment", "body": "x"})["id"]
    studio.api("PATCH", f"activities/{activity}", {"append_files": True, "files": []})


def test_who_made_it_may_be_said(studio: Studio) -> None:
    made = studio.folder(unique(), createdBy="somebody", updatedBy="else")
    assert (studio.get("folder", made)["createdBy"], studio.get("folder", made)["updatedBy"]) == ("somebody", "else")
    studio.change("folder", made, label="a")
    assert studio.get("folder", made)["updatedBy"] == "robot"


def test_a_project_that_is_none(studio: Studio, artist: Studio) -> None:
    for who, status in ((studio, 404), (artist, 403)):
        assert who.send("GET", "api/projects/nowhere/folders").status_code == status
    assert studio.send("GET", "api/projects/no-where/folders").status_code == 400


def test_parts_of_tasks(studio: Studio, folder: str) -> None:
    task = studio.make("task", "art", taskType="Art", folderId=folder, data={"subtasks": [{"label": "First Part"}]})
    [part] = studio.get("task", task)["data"]["subtasks"]
    assert (part["name"], part["label"], len(part["id"])) == ("first_part", "First Part", 32)
    [node] = studio.nodes("tasks", "subtasks{id name label}", "(ids:$i)", i=[task])
    assert node["subtasks"][0]["id"] == part["id"]
    twice = {"subtasks": [{"label": "a"}, {"label": "a"}]}
    assert studio.refused("PATCH", f"tasks/{task}", {"data": twice})[0] == 500


# Lists

ITEM = {
    "id": "<hex:32>",
    "entityId": "<hex:32>",
    "position": "<int>",
    "label": None,
    "attrib": {},
    "data": {},
    "tags": [],
    "folderPath": "<str>",
    "createdBy": "robot",
    "updatedBy": "robot",
    "createdAt": "<iso>",
    "updatedAt": "<iso>",
}


def test_the_life_of_a_list(studio: Studio, version: str) -> None:
    other = studio.version(studio.get("version", version)["productId"], 2)
    label = unique()
    body = {"label": label, "entityType": "version", "items": [{"entityId": version}]}
    made = studio.send("POST", f"api/projects/{studio.project}/lists", body)
    list_id = made.json()["id"]
    told = {"id": list_id, "entityListType": "generic", "entityType": "version", "label": label, "count": 1}
    assert (made.status_code, made.json()) == (201, told)
    assert studio.refused("POST", "lists", body)[0] == 409
    added = studio.send("POST", f"api/projects/{studio.project}/lists/{list_id}/items", {"entityId": other})
    assert (added.status_code, added.json()) == (201, None)
    studio.api("POST", f"lists/{list_id}/items", {"entityId": version, "position": 0})
    whole = studio.api("GET", f"lists/{list_id}")
    wanted = {
        **{name: told[name] for name in ("id", "entityListType", "entityType", "label")},
        "entityListFolderId": None,
        **{name: {} for name in ("access", "attrib", "template")},
        "data": {"count": 3},
        "tags": [],
        "items": {"<each>": ITEM},
        "owner": "robot",
        "createdBy": "robot",
        "updatedBy": "robot",
        "createdAt": "<iso>",
        "updatedAt": "<iso>",
        "active": True,
        "accessLevel": 30,
    }
    assert difference(wanted, whole) is None
    assert [item["entityId"] for item in whole["items"]] == [version, version, other]
    assert [item["position"] for item in whole["items"]] == [0, 1, 2]
    assert set(studio.api("GET", f"lists/{list_id}/entities")["entityIds"]) == {version, other}
    assert studio.api("GET", f"lists/{list_id}?metadata_only=true")["items"] == []
    last = whole["items"][2]["id"]
    change = {"items": [{"id": last, "position": 0, "data": {"a": 1}}], "mode": "merge"}
    studio.api("PATCH", f"lists/{list_id}/items", change)
    studio.api("DELETE", f"lists/{list_id}/items/{whole['items'][0]['id']}")
    items = studio.api("GET", f"lists/{list_id}")["items"]
    assert {item["id"]: item["data"] for item in items} == {last: {"a": 1}, whole["items"][1]["id"]: {}}
    assert studio.refused("DELETE", f"lists/{list_id}/items/{NOWHERE}") == (
        404,
        f"Item ID {NOWHERE} not found in {label}",
    )
    studio.api("PATCH", f"lists/{list_id}/items", {"items": [{"entityId": other}]})
    found = studio.query(
        "entityLists(ids:$i){edges{node{label count active owner items(first:5){edges{position folderPath allAttrib"
        " node{id name ... on VersionNode{version}}}pageInfo{hasNextPage}}}}}",
        i=[list_id],
    )["entityLists"]["edges"][0]["node"]
    assert found["count"] == 1
    [edge] = found["items"]["edges"]
    assert edge["node"] == {"id": other, "name": "v002", "version": 2}
    studio.api("DELETE", f"lists/{list_id}")
    assert studio.refused("GET", f"lists/{list_id}") == (404, f"Entity list {list_id} not found")
    assert studio.refused("GET", f"lists/{list_id}/entities") == (404, f"Entity list ID '{list_id}' not found")


# Links, URIs


def test_links_of_others_stay(studio: Studio, artist: Studio, folder: str) -> None:
    body = {"input": folder, "output": studio.folder(unique()), "linkType": "breakdown|folder|folder"}
    theirs, mine = studio.api("POST", "links", body)["id"], artist.api("POST", "links", body)["id"]
    assert artist.refused("DELETE", f"links/{theirs}") == (403, "You do not have permission to delete this link.")
    artist.api("DELETE", f"links/{mine}")
    [node] = studio.nodes("folders", "links{edges{id author data node{id name}}}", "(ids:$i)", i=[folder])
    [edge] = node["links"]["edges"]
    assert (edge["id"], edge["author"], edge["data"], edge["node"]["id"]) == (theirs, "robot", "{}", body["output"])
    many = studio.api("POST", "links/bulk", {"links": [body, body]})["created"]
    assert [set(one) for one in many] == [{"id", "input", "output", "linkType"}] * 2
    wrong = {**body, "output": NOWHERE}
    assert studio.refused("POST", "links/bulk", {"links": [body, wrong]})[0] == 404
    [node] = studio.nodes("folders", "links{edges{id}}", "(ids:$i)", i=[folder])
    assert len(node["links"]["edges"]) == 3
    said = "Link type input type must be one of 'folder', 'product', 'version', 'representation', or 'task'"
    assert studio.refused("PUT", "links/types/x|workfile|task", {"data": {}}) == (400, said)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://demo/a", "Invalid scheme: http"),
        ("ayon://demo/a?version=nonsense", "Invalid version name: nonsense"),
        ("ayon://nowhere/a", "Project nowhere not found"),
        ("ayon://demo/a b", "Invalid path element: a b"),
        ("ayon://demo/a?task=x&product=y", "Tasks and workfiles cannot be queried with products"),
    ],
)
def test_addresses_that_lead_nowhere(studio: Studio, folder: str, version: str, uri: str, said: str) -> None:
    answer = studio.send("POST", "api/resolve", {"uris": [uri]})
    assert answer.json() == [{"uri": uri, "entities": [], "error": said}]


def test_addresses_without_names_stand_for_all(studio: Studio, folder: str, version: str) -> None:
    studio.representation(version, "abc"), studio.representation(version, "exr")
    path = studio.get("folder", folder)["path"]
    uris = [
        f"ayon+entity://demo{path}?representation=abc",
        f"ayon://demo{path}?product=*&version=latest",
        "ayon://demo",
    ]
    named, latest, nothing = (one["entities"] for one in studio.send("POST", "api/resolve", {"uris": uris}).json())
    keys = {"projectName", "folderId", "productId", "versionId", "target"}
    assert [set(one) for one in (*named, *latest)] == [keys | {"representationId"}, keys]
    assert latest[0]["versionId"] == version
    assert nothing == []


# Comments


def test_what_others_may_do_with_a_comment(studio: Studio, artist: Studio, folder: str) -> None:
    before = studio.get("folder", folder)["updatedAt"]
    made = studio.comment("folder", folder, body="[ ] first")
    assert studio.get("folder", folder)["updatedAt"] > before
    assert artist.refused("DELETE", f"activities/{made}") == (403, "You are not the author of this activity")
    said = (403, "You are not the owner, you cannot modify the comment")
    assert artist.refused("PATCH", f"activities/{made}", {"body": "other"}) == said
    artist.api("PATCH", f"activities/{made}", {"body": "[x] first", "data": {"a": 1}})
    fields = "body activityData entityName origin{type name subtype label link} author{name}"
    [node] = studio.nodes("activities", fields, "(activityIds:$i)", i=[made])
    assert node["body"] == "[x] first"
    assert '"a"' not in node["activityData"]
    assert (node["origin"]["type"], node["origin"]["subtype"], node["author"]["name"]) == ("folder", "Folder", "robot")
    assert studio.refused("POST", f"folder/{folder}/activities", {"activityType": "comment", "body": "x" * 2001}) == (
        400,
        "Comment body is too long",
    )
    assert studio.refused("POST", f"film/{folder}/activities", {"activityType": "comment"})[1] == (
        "Invalid entity type: film"
    )


def test_who_comments_watches(studio: Studio, artist: Studio, folder: str) -> None:
    for _ in range(2):
        artist.comment("folder", folder)
    arguments = '(entityIds:$i,activityTypes:["watch"])'
    assert [n["author"]["name"] for n in studio.nodes("activities", "author{name}", arguments, i=[folder])] == [
        "artist"
    ]


def test_activities_are_found_by_names_and_all_of_their_tags(studio: Studio) -> None:
    name = unique()
    folder = studio.folder(name)
    studio.comment("folder", folder, tags=["a", "b"])
    for tags, found in ((["a"], 1), (["a", "b"], 1), (["a", "c"], 0)):
        nodes = studio.nodes("activities", "entityName", "(entityNames:$n,tags:$t,first:1)", n=[name], t=tags)
        assert len(nodes) == found


# Files and pictures


def test_files_that_are_none(studio: Studio) -> None:
    for path in ("", "/payload", "/thumbnail"):
        assert studio.refused("GET", f"files/{NOWHERE}{path}") == (404, "File not found")
    said = f"File {NOWHERE} not found on demo local storage"
    assert studio.refused("GET", f"files/{NOWHERE}/info") == (404, said)
    assert studio.refused("DELETE", f"files/{NOWHERE}") == (404, "File not found")
    headers = {"Content-Type": "text/plain", "X-File-Name": "a", "X-File-ID": "short"}
    assert studio.refused("POST", "files", content=b"x", headers=headers) == (400, "Invalid file ID")


def test_previews_are_of_pictures(studio: Studio) -> None:
    picture = studio.upload(PNG, "p.png", "image/png")
    answer = studio.send("GET", f"api/projects/demo/files/{picture}/thumbnail")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert studio.refused("GET", f"files/{studio.upload(b'x')}/thumbnail")[0] == 500


def test_thumbnails_by_themselves(studio: Studio, artist: Studio, folder: str) -> None:
    headers = {"Content-Type": "image/png"}
    answer = artist.send("POST", "api/projects/demo/thumbnails", content=PNG, headers=headers)
    thumbnail = answer.json()["id"]
    assert answer.status_code == 200
    assert artist.refused("GET", f"thumbnails/{thumbnail}") == (403, "Only managers can access arbitrary thumbnails")
    assert studio.send("GET", f"api/projects/demo/thumbnails/{NOWHERE}").status_code == 203
    assert studio.refused("GET", f"thumbnails/{NOWHERE}?placeholder=none") == (404, "Thumbnail not found")
    studio.change("folder", folder, thumbnailId=thumbnail)
    [node] = studio.nodes("folders", "thumbnail{id relation}", "(ids:$i)", i=[folder])
    assert node["thumbnail"] == {"id": thumbnail, "relation": None}


def test_reviewables_have_the_attributes_of_their_version(studio: Studio, folder: str) -> None:
    product = studio.product(folder)
    version = studio.version(product, attrib={"comment": "good"})
    studio.version(product, 2)
    headers = {"Content-Type": "image/png", "X-File-Name": "p.png"}
    studio.api("POST", f"versions/{version}/reviewables?label=beauty", content=PNG, headers=headers)
    first, second = studio.api("GET", f"products/{product}/reviewables")
    assert (first["attrib"], first["version"], second["reviewables"]) == ({"comment": "good"}, "1", [])
    [shown] = first["reviewables"]
    assert shown["label"] == "beauty"
    assert shown["createdAt"].endswith("+00:00")


# The rest


def test_a_session_stays_at_its_address_unless_a_site_is_named(studio: Studio, server: RunningSandbox) -> None:
    body = {name: server.info["artist"][name] for name in ("name", "password")}

    def ask(address: str, **more: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address, **more}
        answer = server.http.get(f"{server.root_url}/api/users/me", headers=headers)
        return answer.status_code, answer.json().get("detail")

    here, there = "8.8.8.8", "8.8.4.4"
    login = server.http.post(f"{server.root_url}/api/auth/login", json=body, headers={"X-Forwarded-For": here})
    token = login.json()["token"]
    assert ask(here)[0] == 200
    assert ask(there, **{"x-ayon-site-id": "mine"})[0] == 200
    assert ask(here) == (401, f"Client IP mismatch: Stored: {there}, current: {here}")
    assert ask(there) == (401, "Invalid session")


def test_folders_are_searched_by_their_tasks(studio: Studio) -> None:
    name = unique()
    with_task, without = studio.folder(name), studio.folder(name + "b")
    studio.make("task", "carving", taskType="Modeling", folderId=with_task)
    search = {"search": name}
    assert set(studio.api("POST", "folders/search", search)["folderIds"]) == {with_task, without}
    condition = {"conditions": [{"key": "taskType", "operator": "eq", "value": "Modeling"}]}
    for more in ({"taskSearch": "carv"}, {"taskFilter": condition}):
        assert studio.api("POST", "folders/search", {**search, **more})["folderIds"] == [with_task]


def test_folders_are_found_by_effective_attributes(studio: Studio) -> None:
    top = studio.folder(unique(), attrib={"fps": 12.5})
    below = studio.folder("below", top)
    arguments = '(parentIds:$t,attributes:[{name:"fps",values:["12.5"]}])'
    assert studio.nodes("folders", "id", arguments, t=[top]) == [{"id": below}]


def test_events_are_found_by_words(studio: Studio) -> None:
    name = unique()
    studio.folder(name)
    query = f'{{events(filter:"folder {name}"){{edges{{node{{topic user description payload}}}}}}}}'
    [edge] = studio.send("POST", "graphql", {"query": query}).json()["data"]["events"]["edges"]
    node = {"topic": "entity.folder.created", "user": "robot", "description": f"Folder {name} created", "payload": None}
    assert edge["node"] == node


def test_a_batch_that_the_servers_own_code_breaks_is_undone(studio: Studio, folder: str) -> None:
    """A path of a workfile that is taken violates a constraint, whatever the server then makes of it."""
    task = studio.make("task", "art", taskType="Art", folderId=folder)
    path, made = "{root[work]}/" + unique(), uuid.uuid4().hex
    studio.make("workfile", path=path, taskId=task)
    create = {"type": "create", "entityType": "folder", "entityId": made, "data": {"name": unique()}}
    clash = {"type": "create", "entityType": "workfile", "data": {"path": path, "taskId": task}}
    answer = studio.operations(create, clash).json()
    assert (answer["success"], [one["status"] for one in answer["operations"]]) == (False, [201, 500])
    assert studio.refused("GET", f"folders/{made}")[0] == 404


def test_the_schema_is_for_managers(studio: Studio, artist: Studio) -> None:
    assert artist.send("GET", "openapi.json").status_code == 403
    paths = studio.send("GET", "openapi.json").json()["paths"]
    assert set(paths["/api/projects/{p1}/links/{p2}"]) == {"delete"}
