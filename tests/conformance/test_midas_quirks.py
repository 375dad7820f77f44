"""What the real Midas Server does and the recordings cannot show: time, other users, modules, broken connections."""

from __future__ import annotations

import io
import os

import httpx
import pytest
from PIL import Image

from tests.midas import MidasClient
from tests.sandboxes import RpcError, RunningSandbox, start_sandbox


@pytest.fixture
def admin(midas: RunningSandbox) -> MidasClient:
    return MidasClient.admin(midas)


def test_a_token_lasts_a_hundred_minutes_and_is_not_prolonged(midas: RunningSandbox, admin: MidasClient) -> None:
    first = admin.token
    midas.switch(clock=90 * 60.0)
    assert MidasClient.admin(midas).token == first
    midas.switch(clock=101 * 60.0)
    with pytest.raises(RpcError, match="Invalid token"):
        admin.call("user.folders")
    assert MidasClient.admin(midas).token != first


def test_a_second_factor_gives_one_attempt(midas: RunningSandbox) -> None:
    midas.switch(mfa="123456")
    anybody = MidasClient(midas)
    login = {"email": midas.info["email"], "apikey": midas.credential, "appname": "Default"}
    number = anybody.call("login", **login)["mfa_token_id"]
    with pytest.raises(RpcError, match="Incorrect OTP"):
        anybody.call("mfa.otp.login", mfaTokenId=number, otp="000000")
    with pytest.raises(RpcError, match="Invalid MFA token id"):
        anybody.call("mfa.otp.login", mfaTokenId=number, otp="123456")
    number = anybody.call("login", **login)["mfa_token_id"]
    assert len(anybody.call("mfa.otp.login", mfaTokenId=number, otp="123456")["token"]) == 32


def test_others_see_what_is_public(midas: RunningSandbox, admin: MidasClient) -> None:
    reader = MidasClient.reader(midas)
    private = admin.folder("mine")
    public = admin.folder("ours", midas.info["public_folder"])
    item = admin.item(public, "readable.txt", b"for all\n")
    with pytest.raises(RpcError, match="permissions"):
        reader.call("folder.get", id=private)
    assert reader.names(private) == []
    assert reader.names(public) == ["readable.txt"]
    with pytest.raises(RpcError, match="permissions"):
        reader.put(item, "readable.txt", b"not yours")
    with pytest.raises(RpcError):
        reader.call("community.create", name="no")


def test_a_broken_upload_goes_on_where_it_broke(midas: RunningSandbox, admin: MidasClient) -> None:
    item = admin.item(admin.folder("resumed"), "big.bin")
    content = bytes(range(256)) * 4096
    token = admin.call("upload.generatetoken", itemid=item, filename="big.bin")["token"]
    midas.arm("cut_upload", {"call": "upload.perform"}, after=300_000)
    with pytest.raises(httpx.TransportError):
        admin.send(token, "big.bin", content, len(content), revision="head")
    offset = int(admin.call("upload.getoffset", uploadtoken=token)["offset"])
    assert offset == 300_000
    assert admin.send(token, "big.bin", content[offset:], len(content), revision="head")["stat"] == "ok"
    assert admin.files(item) == [("big.bin", len(content))]


def test_a_quota_is_noticed_after_the_transfer(midas: RunningSandbox, admin: MidasClient) -> None:
    item = admin.item(admin.folder("full"), "much.bin")
    midas.switch(quota=1)
    answer = admin.put(item, "much.bin", b"more than that")
    assert answer["message"].startswith("Upload quota exceeded. Free space: 0")
    assert admin.call("sizequota.user.get", user=1)["quota"] == "1"


def test_a_picture_has_a_thumbnail_that_only_a_session_sees(admin: MidasClient) -> None:
    out = io.BytesIO()
    Image.new("RGB", (400, 200), (200, 30, 30)).save(out, "PNG")
    item = admin.item(admin.folder("pictures"), "red.png", out.getvalue())
    answer = admin.http.get("/item/thumbnail", params={"itemId": item})
    with Image.open(io.BytesIO(answer.content)) as small:
        assert (answer.headers["content-type"], small.size) == ("image/jpeg", (100, 50))
    assert MidasClient(admin.server).http.get("/item/thumbnail", params={"itemId": item}).status_code == 403
    assert admin.call("item.get", id=item)["thumbnail_id"] != ""


def test_head_counts_as_a_download(admin: MidasClient) -> None:
    item = admin.item(admin.folder("counted"), "one.txt", b"one")
    answer = admin.http.head("/download/", params={"items": item})
    assert answer.headers["content-length"] == "3"
    assert admin.call("item.get", id=item)["download"] == "1"


def test_a_page_deletes_a_revision_and_the_later_ones_move_up(admin: MidasClient) -> None:
    item = admin.item(admin.folder("history"), "x.txt", b"first")
    admin.put(item, "x.txt", b"second one")
    first, second = admin.call("item.get", id=item)["revisions"]
    form = {"itemId": item, "itemrevisionId": first["itemrevision_id"]}
    answer = admin.http.post("/item/deleteitemrevision", data=form)
    assert (answer.status_code, answer.headers["location"]) == (302, f"/item/{item}")
    left = admin.call("item.get", id=item)["revisions"]
    assert [(row["itemrevision_id"], row["revision"]) for row in left] == [(second["itemrevision_id"], "1")]


def test_warnings_stand_in_front_of_the_json(midas: RunningSandbox, admin: MidasClient) -> None:
    midas.switch(warnings=True)
    text = admin.http.post("/api/json", data={"method": "midas.version"}).text
    assert text.startswith("<br />")
    assert text.endswith('"stat":"ok"}')


def test_a_community_over_rest(admin: MidasClient) -> None:
    made = admin.call("community.create", name="rest of us")
    data = admin.http.get(f"/rest/community/{made['community_id']}", params={"token": admin.token}).json()["data"]
    assert (data["name"], data["public"], data["open_membership"]) == ("Rest of us", True, True)


def test_the_rest_face_tells_too_much_of_a_user(midas: RunningSandbox, admin: MidasClient) -> None:
    mine = admin.call("user.get", email=midas.info["email"])["user_id"]
    told = admin.http.get(f"/rest/user/{mine}").json()["data"]
    assert told["salt"]
    assert "salt" not in admin.call("user.get", user_id=mine)


def test_a_parameter_too_many_is_dropped_without_a_word(admin: MidasClient) -> None:
    item = admin.item(admin.folder("many"), "a.txt", b"a")
    rows = {f"{word}_{number}": f"e{number}" for number in range(1, 400) for word in ("element", "value", "qualifier")}
    with pytest.raises(RpcError, match="write permission"):  # the token comes last, and is one of those
        admin.call("item.setmultiplemetadata", itemid=item, count=399, **rows)
    kept = dict(list(rows.items())[:900])
    assert admin.call("item.setmultiplemetadata", itemid=item, count=300, **kept) == "1"


def test_a_type_without_a_name_is_kept_and_breaks_the_list_of_types(admin: MidasClient) -> None:
    item = admin.item(admin.folder("types"), "a.txt", b"a")
    assert "text" in admin.call("metadata.types.list")
    admin.call("item.setmetadata", itemId=item, element=f"odd {item}", value="abc", type=1)
    assert "int" in admin.call("metadata.types.list")
    admin.call("item.setmetadata", itemId=item, element=f"odd {item}", value="abc", type=99)
    with pytest.raises(RpcError, match="500"):
        admin.call("metadata.types.list")


def test_an_upload_as_a_form_wants_a_field_beside_its_file(admin: MidasClient) -> None:
    item = admin.item(admin.folder("forms"), "zero.txt")
    token = admin.call("upload.generatetoken", itemid=item, filename="zero.txt")["token"]
    form = {"method": "midas.upload.perform", "uploadtoken": token, "filename": "zero.txt", "length": "1"}
    for more, stat in (({}, "fail"), ({"file": "1"}, "ok")):
        fields = {**form, "mode": "multipart", **more}
        answer = admin.http.post("/api/json", data=fields, files={"file": ("real name.txt", b"0")}).json()
        assert answer["stat"] == stat, answer
    assert admin.files(item) == [("real name.txt", 1)]


def test_names_of_several_folders_come_in_pages(admin: MidasClient) -> None:
    places = [admin.folder(f"listed {number}") for number in range(2)]
    for number in range(3):
        admin.item(places[0], f"{number}.txt", bytes(2048))
    admin.folder("below", places[0])
    query = {"folders": "-".join(map(str, places)), "limit": 2}
    told = admin.http.get("/browse/getfolderscontent", params=query).json()
    assert [row["name"] for row in told[str(places[0])]["folders"]] == ["below"]
    assert [(row["name"], row["size"]) for row in told[str(places[0])]["items"]] == [("0.txt", "2.0 KB")]
    assert (told[str(places[0])]["showMoreLink"], told[str(places[1])]["showMoreLink"]) == ("1", "")
    rest = {**query, "folderOffset": told[str(places[0])]["folderOffset"], "itemOffset": 1}
    told = admin.http.get("/browse/getfolderscontent", params=rest).json()
    assert [row["name"] for row in told[str(places[0])]["items"]] == ["1.txt", "2.txt"]
    item = admin.item(places[1], "one.txt", b"1")
    info = admin.http.get("/browse/getelementinfo", params={"type": "item", "id": item}).json()
    assert (info["name"], info["nbitstream"]) == ("one.txt", "1")


def test_communities_have_a_size_and_no_quota(midas: RunningSandbox, admin: MidasClient) -> None:
    midas.switch(quota=10**12)
    made = admin.call("community.create", name=f"Sized {os.urandom(4).hex()}")
    admin.item(admin.folder("of it", made["folder_id"]), "a.bin", bytes(1234))
    assert admin.call("sizequota.community.get", community=made["community_id"]) == {"quota": "", "used": "1234"}


def test_the_demo_library_is_as_it_is_told() -> None:
    with start_sandbox("midas", seed="demo") as server:
        admin, reader = MidasClient.admin(server), MidasClient.reader(server)
        assert [row["name"] for row in MidasClient(server).call("community.list")] == ["Phantom Atlas"]
        assert [row["name"] for row in reader.call("community.list")] == ["Phantom Atlas", "Study 12"]
        series = admin.call("item.searchbyname", name="T1 axial")["items"][0]
        assert len(admin.files(series["item_id"])) == 12
        report = admin.call("item.searchbyname", name="report.pdf")["items"][0]
        assert len(admin.call("item.get", id=report["item_id"])["revisions"]) == 2
        assert "notes.txt" in admin.names(server.info["private_folder"])
