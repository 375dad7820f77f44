"""What the real AYON server does oddly, and the recordings do not show, the sandbox does alike."""

from __future__ import annotations

import json
import uuid
from datetime import datetime

import httpx
import pytest

from tests.sandboxes import RunningSandbox, start_sandbox
from tests.studio import Studio, unique

# Who is asking


@pytest.mark.parametrize("scheme", ["X-Api-Key", "Apikey"])
def test_two_ways_to_send_a_key(server: RunningSandbox, scheme: str) -> None:
    headers = (
        {"X-Api-Key": server.credential} if scheme == "X-Api-Key" else {"Authorization": f"Apikey {server.credential}"}
    )
    assert httpx.get(f"{server.root_url}/api/users/me", headers=headers, trust_env=False).status_code == 200


def test_a_token_of_another_length_is_none(server: RunningSandbox) -> None:
    for token, said in (("x" * 32, "Access token is missing"), ("x" * 64, "Invalid session")):
        answer = server.http.get(f"{server.root_url}/api/users/me", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["detail"]) == (401, said)


def test_too_many_failed_logins_ban_the_address() -> None:
    with start_sandbox("ayon", seed="empty") as server:
        good = {name: server.info["artist"][name] for name in ("name", "password")}
        bad = {**good, "password": "wrong"}

        def login(body: dict[str, str]) -> str:
            return str(server.http.post(f"{server.root_url}/api/auth/login", json=body).json()["detail"])

        assert {login(bad) for _ in range(11)} == {"Invalid login/password combination"}
        assert login(good) == "Too many failed login attempts"


def test_a_login_without_a_password_is_no_request(server: RunningSandbox) -> None:
    answer = server.http.post(f"{server.root_url}/api/auth/login", json={"name": "artist"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["body", "password"])


def test_a_user_sees_what_stands_for_hashes(studio: Studio) -> None:
    assert set(studio.send("GET", "api/users/me").json()["data"]["apiKey"]) == {"0"}


def test_users_without_keys_break_their_list(studio: Studio) -> None:
    assert studio.send("GET", "api/users/admin/apikeys").status_code == 500


def test_projects_that_one_may_not_see_are_counted(studio: Studio, artist: Studio) -> None:
    name = unique()
    studio.send("POST", "api/projects", {"name": name, "code": name[:5], "anatomy": {}})
    seen = artist.send("GET", "api/projects?active=true").json()
    assert name not in [project["name"] for project in seen["projects"]]
    assert seen["count"] > len(seen["projects"])
    answer = artist.send("GET", f"api/projects/{name}")
    assert (answer.status_code, answer.json()["detail"]) == (403, "No access group assigned on this project")


def test_projects_answer_to_their_name_in_any_case(studio: Studio) -> None:
    assert studio.send("GET", f"api/projects/{studio.project.upper()}").json()["name"] == studio.project


def test_roots_need_a_platform_or_a_site(studio: Studio) -> None:
    assert studio.refused("GET", "siteRoots") == (400, "Either site_id or platform must be provided")
    said = studio.refused("GET", "siteRoots?site_id=nowhere")
    assert said == (400, "Site not found and platform not provided")


def test_roots_of_a_site_have_this_users_overrides(studio: Studio, artist: Studio) -> None:
    studio.api("PUT", "roots/mine", {"work": "/here"})
    assert studio.api("GET", "siteRoots?site_id=mine&platform=linux") == {"work": "/here"}
    assert artist.api("GET", "siteRoots?site_id=mine&platform=linux") == {"work": "/mnt/share/projects"}
    assert studio.api("GET", "roots") == {"mine": {"work": "/here"}}


# Entities


def test_three_namespaces_in_a_folder(studio: Studio) -> None:
    folder = studio.folder(unique())
    studio.folder("modeling", folder)
    studio.make("task", "modeling", taskType="Modeling", folderId=folder)
    studio.product(folder, "modeling")
    assert studio.refused("POST", "products", {"name": "Modeling", "productType": "x", "folderId": folder})[0] == 409


def test_a_name_may_be_very_long(studio: Studio) -> None:
    folder = studio.folder("x" * 1000 + unique())
    assert len(studio.get("folder", folder)["name"]) > 1000


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "Nope"}, "status 'Nope' is not present in table \"statuses\"."),
        ({"folderType": "Nope"}, "folder_type 'Nope' is not present in table \"folder_types\"."),
        ({"parentId": "f" * 32}, 'is not present in table "folders".'),
    ],
)
def test_what_a_folder_refers_to_must_be_there(studio: Studio, fields: dict[str, str], said: str) -> None:
    status, detail = studio.refused("POST", "folders", {"name": unique(), **fields})
    assert status == 409
    assert said in detail


def test_an_id_that_is_none(studio: Studio) -> None:
    answer = studio.send("GET", f"api/projects/{studio.project}/folders/short")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["path", "folder_id"])
    assert studio.refused("GET", f"folders/{'a' * 32}") == (404, f"Entity {'a' * 32} not found")


def test_a_route_that_is_none_and_a_method_too(studio: Studio) -> None:
    assert studio.refused("GET", "nonsense")[0] == 404
    assert studio.refused("PUT", f"folders/{'a' * 32}")[0] == 404


def test_an_id_may_be_taken_only_once(studio: Studio) -> None:
    folder = studio.folder(unique())
    assert studio.refused("POST", "folders", {"id": folder, "name": unique()})[0] == 409


def test_an_empty_change_is_one(studio: Studio) -> None:
    folder = studio.folder(unique())
    before = studio.get("folder", folder)["updatedAt"]
    studio.change("folder", folder)
    assert studio.get("folder", folder)["updatedAt"] > before


def test_a_date_needs_a_time(studio: Studio) -> None:
    folder = studio.folder(unique())
    answer = studio.send("PATCH", f"api/projects/demo/folders/{folder}", {"attrib": {"startDate": "2026-01-02"}})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (400, ["body", "attrib", "startDate"])


def test_keys_of_data_are_paths_of_the_database(studio: Studio) -> None:
    folder = studio.folder(unique(), data={"a": {"b": 1}})
    studio.change("folder", folder, data={"a,b": 2})
    assert studio.get("folder", folder)["data"] == {"a": {"b": 2}}
    assert studio.refused("PATCH", f"folders/{folder}", {"data": {"{x}": 1}})[0] == 500


def test_a_folder_cannot_go_below_itself(studio: Studio) -> None:
    top = studio.folder(unique())
    below = studio.folder("below", top)
    assert studio.refused("PATCH", f"folders/{top}", {"parentId": below}) == (
        400,
        "Folder cannot be moved to one of its descendants",
    )
    assert studio.refused("PATCH", f"folders/{top}", {"parentId": top}) == (400, "Folder cannot be its own parent")


def test_a_folder_without_products_goes_with_all_below_it(studio: Studio) -> None:
    top = studio.folder(unique())
    below = studio.folder("below", top)
    task = studio.make("task", "art", taskType="Art", folderId=below)
    studio.api("DELETE", f"folders/{top}")
    assert studio.refused("GET", f"tasks/{task}")[0] == 404


def test_versions_outlive_their_task(studio: Studio) -> None:
    folder = studio.folder(unique())
    task = studio.make("task", "art", taskType="Art", folderId=folder)
    version = studio.version(studio.product(folder), taskId=task)
    studio.api("DELETE", f"tasks/{task}")
    assert "taskId" not in studio.get("version", version)


def test_what_an_artist_may_do(studio: Studio, artist: Studio) -> None:
    folder = studio.folder(unique())
    product = artist.product(folder)
    version = artist.version(product, author="somebody")
    assert artist.get("version", version)["author"] == "artist"
    artist.change("folder", folder, label="fine")
    assert artist.refused("POST", "folders", {"name": unique()})[0] == 403
    assert artist.refused("DELETE", f"versions/{version}") == (403, "Delete access denied for artist in project demo")
    assert artist.refused("PATCH", "", {"label": "mine"})[0] in (403, 404)


def test_a_hero_may_follow_any_number(studio: Studio) -> None:
    product = studio.product(studio.folder(unique()))
    studio.version(product, 0)
    assert studio.get("version", studio.version(product, -7))["path"].endswith("/modelMain/HERO")


# Batches


def test_an_operation_without_an_id_and_one_of_no_type(studio: Studio) -> None:
    assert studio.operations({"type": "delete", "entityType": "folder"}).status_code == 400
    assert studio.operations({"type": "paint", "entityType": "folder"}).status_code == 400


def test_two_operations_on_one_entity(studio: Studio) -> None:
    folder = studio.folder(unique())
    one = {"type": "update", "entityType": "folder", "entityId": folder, "data": {"label": "a"}}
    answer = studio.operations(one, one)
    assert (answer.status_code, answer.json()["detail"]) == (400, f"Duplicate operation for folder {folder}")


def test_nothing_to_do_is_done(studio: Studio) -> None:
    assert studio.operations().json() == {"operations": [], "success": True}


def test_what_is_forbidden_leaves_what_came_before(studio: Studio) -> None:
    folder = studio.folder(unique())
    studio.version(studio.product(folder))
    made = uuid.uuid4().hex
    create = {"type": "create", "entityType": "folder", "entityId": made, "data": {"name": unique()}}
    rename = {"type": "update", "entityType": "folder", "entityId": folder, "data": {"name": unique()}}
    answer = studio.operations(create, rename)
    assert answer.json()["success"] is False
    assert answer.json()["operations"][1]["errorCode"] == "forbidden"
    assert studio.get("folder", made)["id"] == made
    studio.api("DELETE", f"folders/{made}")
    assert studio.operations(create, rename, raiseOnError=True).status_code == 403
    assert studio.refused("GET", f"folders/{made}")[0] == 404


def test_an_artist_may_rename_by_force(studio: Studio, artist: Studio) -> None:
    folder = studio.folder(unique())
    studio.version(studio.product(folder))
    name = unique()
    rename = {"type": "update", "entityType": "folder", "entityId": folder, "data": {"name": name}, "force": True}
    assert artist.operations(rename).json()["success"] is True
    assert studio.get("folder", folder)["name"] == name


def test_a_background_job_that_fails_is_completed(studio: Studio) -> None:
    operation = {"type": "delete", "entityType": "folder", "entityId": "e" * 32}
    job = studio.api("POST", "operations/background", {"operations": [operation]})
    assert job["status"] == "pending"
    while (found := studio.api("GET", f"operations/background/{job['id']}"))["status"] != "completed":
        pass
    assert found["result"]["success"] is False


# GraphQL


def test_own_attributes_are_spoilt_by_what_is_selected_before(studio: Studio) -> None:
    folder = studio.folder(unique(), attrib={"fps": 30})
    arguments = "(ids:$ids)"
    [good] = studio.nodes("folders", "ownAttrib allAttrib", arguments, ids=[folder])
    [bad] = studio.nodes("folders", "allAttrib ownAttrib", arguments, ids=[folder])
    assert good["ownAttrib"] == ["fps"]
    assert set(bad["ownAttrib"]) == set(json.loads(bad["allAttrib"])) > {"fps"}


def test_children_are_counted_beside_the_question_whether_there_are_any(studio: Studio) -> None:
    top = studio.folder(unique())
    studio.folder("one", top)
    [alone] = studio.nodes("folders", "childCount", "(ids:$ids)", ids=[top])
    [beside] = studio.nodes("folders", "childCount hasChildren", "(ids:$ids)", ids=[top])
    assert (alone["childCount"], beside["childCount"]) == (0, 1)


def test_the_last_come_newest_first(studio: Studio) -> None:
    top = studio.folder(unique())
    for name in "abc":
        studio.folder(name, top)
    page = studio.query(
        "folders(parentIds:$t,last:2){edges{cursor node{name}}pageInfo{endCursor hasPreviousPage}}", t=[top]
    )
    assert [edge["node"]["name"] for edge in page["folders"]["edges"]] == ["c", "b"]
    assert page["folders"]["pageInfo"]["hasPreviousPage"] is True
    more = "(parentIds:$t,last:2,before:$c)"
    rest = studio.nodes("folders", "name", more, t=[top], c=page["folders"]["pageInfo"]["endCursor"])
    assert [node["name"] for node in rest] == ["a"]


def test_root_is_a_parent_of_folders_only(studio: Studio) -> None:
    body = {"query": '{project(name:"demo"){products(folderIds:["root"]){edges{node{id}}}}}'}
    answer = studio.send("POST", "graphql", body).json()
    assert (answer["data"], answer["errors"][0]["message"]) == (None, "Invalid entity ID root")
    assert studio.nodes("tasks", "id", '(folderIds:["root"])') == []


def test_a_variable_that_is_missing(studio: Studio) -> None:
    answer = studio.send("POST", "graphql", {"query": "query($p:String!){project(name:$p){name}}"})
    said = "Variable '$p' has invalid value: Expected a value of non-null type 'String!' to be provided."
    assert (answer.status_code, answer.json()["data"], answer.json()["errors"][0]["message"]) == (200, None, said)


def test_one_unknown_project_spoils_the_known_one(studio: Studio) -> None:
    answer = studio.send("POST", "graphql", {"query": '{a:project(name:"demo"){name} b:project(name:"no"){name}}'})
    assert answer.json()["data"] is None


def test_a_filter_by_time_and_one_by_truth(studio: Studio) -> None:
    before = studio.folder(unique())
    since = studio.get("folder", before)["updatedAt"]
    after = studio.folder(unique())

    def filtered(**condition: object) -> str:
        return json.dumps({"operator": "and", "conditions": [condition]})

    found = studio.nodes("folders", "id", "(filter:$f)", f=filtered(key="updatedAt", operator="gt", value=since))
    assert [node["id"] for node in found] == [after]
    query = "query($p:String!,$f:String!){project(name:$p){folders(filter:$f){edges{node{id}}}}}"
    variables = {"p": "demo", "f": filtered(key="active", operator="eq", value=True)}
    answer = studio.send("POST", "graphql", {"query": query, "variables": variables}).json()
    assert "COALESCE types boolean and jsonb" in answer["errors"][0]["message"]


def test_twenty_thousand_ids_in_one_variable(studio: Studio) -> None:
    folder = studio.folder(unique())
    ids = [uuid.uuid4().hex for _ in range(20_000)]
    assert [node["id"] for node in studio.nodes("folders", "id", "(ids:$ids)", ids=[*ids, folder])] == [folder]


def test_files_in_graphql(studio: Studio) -> None:
    version = studio.version(studio.product(studio.folder(unique())), 3)
    studio.representation(version, "exr", {"id": "1", "path": "C:\\shots\\a.1001.exr", "size": 5_000_000_000})
    [node] = studio.nodes("representations", "path files{name size hashType}", "(versionIds:$v)", v=[version])
    assert node["files"] == [{"name": "a.1001", "size": "5000000000", "hashType": "md5"}]
    assert node["path"].endswith("/v003/exr")


def test_a_hero_is_a_number_in_paths_of_representations(studio: Studio) -> None:
    version = studio.version(studio.product(studio.folder(unique())), -2)
    made = studio.representation(version, "exr")
    [node] = studio.nodes("representations", "path", "(ids:$i)", i=[made])
    assert node["path"].endswith("/v-02/exr")
    assert "version=v-02" in studio.api("POST", "uris", {"entityType": "version", "ids": [version]})["uris"][0]["uri"]


def test_what_is_featured(studio: Studio) -> None:
    product = studio.product(studio.folder(unique()))
    studio.version(product, 1, status="Approved"), studio.version(product, 2)
    for order, name in (("latestDone", "v001"), ("latest", "v002")):
        [node] = studio.nodes("products", f'featuredVersion(order:["{order}"]){{name}}', "(ids:$i)", i=[product])
        assert node["featuredVersion"]["name"] == name
    assert [
        n["name"]
        for n in studio.nodes("versions", "name", '(productIds:$i,featuredOnly:["hero","latest"])', i=[product])
    ] == ["v002"]


def test_data_that_is_empty_is_null(studio: Studio) -> None:
    folder = studio.folder(unique())
    assert studio.nodes("folders", "data", "(ids:$i)", i=[folder]) == [{"data": None}]


def test_history_is_ones_own(studio: Studio, artist: Studio) -> None:
    folder = studio.folder(unique())
    artist.change("folder", folder, label="by the artist")
    query = {"query": '{events(topics:["entity.*"],last:1000){edges{node{user}}}}'}
    for who, seen in ((artist, {"artist"}), (studio, {"artist", "robot"})):
        edges = who.send("POST", "graphql", query).json()["data"]["events"]["edges"]
        assert {edge["node"]["user"] for edge in edges} == seen


# Bytes


def test_names_of_files_come_back_garbled(studio: Studio) -> None:
    file = studio.upload(b"x", "höhe.txt")
    assert studio.api("GET", f"files/{file}/info")["filename"] == "höhe.txt".encode().decode("latin-1")


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("bytes=9-8", 206, "bytes 9-8/300"),
        ("bytes=5-2", 400, "Range header: start must be less than end"),
        ("bytes=-301", 416, "*/300"),
        ("bytes=-0", 416, "*/300"),
        ("bytes=a-b", 400, "Range header: range must be requested"),
        ("lines=0-1", 400, "Only support bytes range"),
    ],
)
def test_ranges_that_make_no_sense(studio: Studio, asked: str, status: int, said: str) -> None:
    file = studio.upload(bytes(300))
    answer = studio.payload(file, range=asked)
    assert answer.status_code == status
    assert said == (answer.headers.get("content-range") or answer.text)


def test_a_condition_for_a_range(studio: Studio) -> None:
    file = studio.upload(bytes(300))
    tag = studio.payload(file).headers["etag"]
    assert studio.payload(file, range="bytes=0-9", if_range=tag).status_code == 206
    assert studio.payload(file, range="bytes=0-9", if_range='"other"').status_code == 200
    assert studio.payload(file, if_none_match=tag).status_code == 200


def test_ranges_of_large_videos(studio: Studio) -> None:
    size = (12 << 20) + 1
    file = studio.upload(bytes(size), "v.mp4", "video/mp4")
    answer = studio.payload(file, range="bytes=10-")
    assert (answer.status_code, len(answer.content)) == (206, 4 << 20)
    assert studio.payload(file, range="bytes=-5").headers["content-range"] == f"bytes 0-5/{size}"
    assert studio.payload(file, range=f"bytes=0-{size}").status_code == 416
    assert len(studio.payload(file).content) == size


def test_new_bytes_under_an_old_id_break_who_reads_them(studio: Studio) -> None:
    file = studio.upload(b"long content")
    path = f"api/projects/demo/files/{file}"
    assert studio.send("HEAD", path).headers["content-length"] == "12"
    studio.upload(b"short", X_File_ID=file)
    assert studio.send("HEAD", path).headers["content-length"] == "12"
    with pytest.raises(httpx.RemoteProtocolError):
        studio.payload(file)
    assert studio.payload(file, range="bytes=0-4").content == b"short"
    studio.server.switch(head_cache=0.0)
    assert studio.payload(file).content == b"short"


def test_files_that_belong_to_nothing_are_collected(studio: Studio) -> None:
    folder = studio.folder(unique())
    loose = studio.upload(b"loose")
    anchor = studio.comment("folder", folder)
    kept = studio.upload(b"kept", X_Activity_ID=anchor)
    studio.server.switch(collect_after=0.0)
    studio.comment("folder", folder)
    assert studio.refused("GET", f"files/{loose}/info")[0] == 404
    assert studio.api("GET", f"files/{kept}/info")["size"] == 4
    studio.api("DELETE", f"activities/{anchor}")
    assert studio.refused("GET", f"files/{kept}/info")[0] == 404


def test_publishing_a_version_collects_too(studio: Studio) -> None:
    product = studio.product(studio.folder(unique()))
    loose = studio.upload(b"loose")
    studio.server.switch(collect_after=0.0)
    studio.version(product)
    assert studio.refused("GET", f"files/{loose}/info")[0] == 404


def test_appending_files_is_a_flag(studio: Studio) -> None:
    activity = studio.comment("folder", studio.folder(unique()))
    assert studio.refused("PATCH", f"activities/{activity}", {"appendFiles": ["x"]})[0] == 400


def test_comments_of_others_stay(studio: Studio, artist: Studio) -> None:
    activity = studio.comment("folder", studio.folder(unique()))
    assert artist.refused("DELETE", f"activities/{activity}")[0] == 403
    assert artist.refused("POST", f"folder/{studio.folder(unique())}/activities", {"activityType": "watch"})[0] == 400


def test_thumbnails_are_pictures(studio: Studio) -> None:
    folder = studio.folder(unique())
    path = f"folders/{folder}/thumbnail"
    assert studio.refused("POST", path, content=b"x", headers={"Content-Type": "text/plain"})[0] == 415
    assert studio.refused("POST", path, content=b"x")[0] == 400
    task = studio.make("task", "art", taskType="Art", folderId=folder)
    work = studio.make("workfile", path="{root[work]}/" + unique(), taskId=task)
    assert studio.refused("GET", f"workfiles/{work}/thumbnail")[0] == 500
    [node] = studio.nodes("folders", "thumbnailHash", "(ids:$i)", i=[folder])
    assert node["thumbnailHash"] == folder[-6:]


def test_reviews_are_of_pictures_and_videos(studio: Studio) -> None:
    version = studio.version(studio.product(studio.folder(unique())))
    path = f"versions/{version}/reviewables"
    said = "Only videos and images are supported for reviewables now"
    headers = {"Content-Type": "text/plain", "X-File-Name": "a.txt"}
    assert studio.refused("POST", path, content=b"x", headers=headers) == (400, said)
    headers = {"Content-Type": "video/mp4", "X-File-Name": "a.mp4"}
    assert studio.refused("POST", path, content=b"x", headers=headers) == (400, "Failed to extract media info")
    made = studio.api("POST", path, content=b"\0\0\0\x18ftypisom" + bytes(12), headers=headers)
    assert made["availability"] == "ready"
    assert datetime.fromisoformat(made["createdAt"]).tzinfo is None
    assert studio.payload(made["fileId"]).headers["content-type"] == "video/mp4"


def test_links_that_make_no_sense(studio: Studio) -> None:
    folder = studio.folder(unique())
    for link_type, target, said in (
        ("breakdown|folder|folder", folder, (400, "Cannot link an entity to itself.")),
        ("breakdown", folder, (400, "Link type must be in the format 'name|input_type|output_type'")),
        ("eats|folder|folder", studio.folder(unique()), (400, "Unsupported link type.")),
        ("breakdown|folder|folder", "d" * 32, (404, f"Output entity {'d' * 32} not found.")),
    ):
        body = {"input": folder, "output": target, "linkType": link_type}
        assert studio.refused("POST", "links", body) == said
    assert studio.refused("DELETE", f"links/{'d' * 32}") == (404, f"Link {'d' * 32} not found.")


def test_the_same_link_twice_is_two(studio: Studio) -> None:
    body = {"input": studio.folder(unique()), "output": studio.folder(unique()), "linkType": "breakdown|folder|folder"}
    made = {studio.api("POST", "links", body)["id"] for _ in range(2)}
    [node] = studio.nodes("folders", 'links(direction:"out"){edges{id}}', "(ids:$i)", i=[body["input"]])
    assert {edge["id"] for edge in node["links"]["edges"]} == made
    studio.api("DELETE", f"folders/{body['output']}")
    [node] = studio.nodes("folders", "links{edges{id}}", "(ids:$i)", i=[body["input"]])
    assert node["links"]["edges"] == []


# Load, names, and what there is at the start


def test_too_many_at_a_time_when_the_server_counts(studio: Studio) -> None:
    studio.server.switch(throttle=True)
    studio.server.arm("delay", {"kind": "operations"}, seconds=0.2)
    assert studio.operations().status_code == 200


def test_requests_have_names(studio: Studio) -> None:
    studio.server.forget()
    studio.nodes("folders", "id")
    studio.operations({"type": "create", "entityType": "folder", "data": {"name": unique()}})
    assert studio.server.requests()["calls"] == {"Test": 1, "create folder": 1}
    studio.server.arm("status", {"call": "Test"}, status=502)
    assert studio.send("POST", "graphql", {"query": "query Test{me{name}}"}).status_code == 502


def test_a_sender_is_a_name(studio: Studio) -> None:
    path = "api/projects/demo/folders"
    assert studio.send("POST", path, {"name": unique()}, headers={"X-Sender": "a b"}).status_code == 400


def test_the_demo_is_the_same_every_time() -> None:
    seen = []
    for _ in range(2):
        with start_sandbox("ayon", seed="demo") as server:
            studio = Studio(server)
            fields = "id name createdAt status tags"
            kinds = ("folders", "tasks", "products", "versions", "representations", "workfiles")
            found = {kind: studio.nodes(kind, fields + " allAttrib") for kind in kinds}
            found["activities"] = studio.nodes("activities", "activityId body createdAt files{id name size}")
            seen.append(found)
            assert studio.api("GET", "siteRoots?platform=linux") == {"work": server.info["local_root"]}
    assert seen[0] == seen[1]
    assert "HERO" in [node["name"] for node in seen[0]["versions"]]


def test_the_bench_has_what_it_says() -> None:
    with start_sandbox("ayon", seed="bench") as server:
        counts = Studio(server).api("GET", "stats")["counts"]
    assert counts == {"folders": 5000, "products": 5000, "versions": 15000, "representations": 15000, "tasks": 0}


def test_kept_data_is_there_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("ayon") / "kept"
    with start_sandbox("ayon", seed="empty", data=place) as first:
        folder = Studio(first).folder("kept")
    with start_sandbox("ayon", seed="demo", data=place) as second:
        assert Studio(second).get("folder", folder)["name"] == "kept"
