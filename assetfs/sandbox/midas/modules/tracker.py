"""Module tracker: numbers that a community's programs report, in trends of producers.

Adding is a call; reading is what its pages do, for people and their browsers, who are known by the session's cookie.
Names stand in these pages as they are.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from assetfs.sandbox.midas import communities, policies
from assetfs.sandbox.midas.context import Call, Json, new_uuid, shown
from assetfs.sandbox.midas.envelope import dumped
from assetfs.sandbox.midas.errors import DENIED, INVALID, Fatal, Refused
from assetfs.sandbox.midas.pages import PAGES, Page
from assetfs.sandbox.midas.policies import ADMIN, READ, WRITE
from assetfs.sandbox.midas.registry import method

MODULE_ERROR, FORBIDDEN = -1, 403


def _need(call: Call, *names: str) -> list[str]:
    for name in names:
        if name not in call.params:
            raise Refused(MODULE_ERROR, f"Parameter {name} must be set.")
    return [call.params[name] for name in names]


def _producer(call: Call, name: str) -> int:
    """The producer of a name in the call's community, made if need be."""
    community = call.get("community", call.id("communityId"))
    if community is None or communities.level(call, community, call.user()) < WRITE:
        raise Refused(FORBIDDEN, "Write permission required on community")
    if not name.strip():
        raise Refused(MODULE_ERROR, "Producer display name must not be empty")
    query = "SELECT producer_id FROM producer WHERE community_id = ? AND display_name = ?"
    found = call.scalar(query, community["community_id"], name.strip())
    return found or call.insert("producer", community_id=community["community_id"], display_name=name.strip())


@method("tracker.submission.add")
def submission_add(call: Call) -> Json:
    """What the scalars of one run have in common."""
    names = ("communityId", "producerDisplayName", "producerRevision", "branch")
    _, name, revision, branch = call.need(*names)
    producer = _producer(call, name)
    try:
        wanted = call.params.get("submitTime") or call.stamp()
        time = datetime.fromisoformat(wanted).replace(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise Refused(MODULE_ERROR, f"Invalid submitTime value: {call.params['submitTime']}") from None
    uuid = call.params.get("uuid") or new_uuid()
    if call.scalar("SELECT 1 FROM submission WHERE uuid = ?", uuid):
        raise Refused(INVALID, "That uuid is already in use")
    columns = {"producer_revision": revision, "branch": branch, "submit_time": time, "uuid": uuid}
    number = call.insert("submission", producer_id=producer, user_id=_user_id(call), **columns)
    row = call.get("submission", number)
    assert row is not None
    return {"_id": str(number), "_type": "Tracker_Submission", **shown(row)}


def _user_id(call: Call) -> int:
    user = call.user()
    if user is None:
        raise Refused(DENIED, "Only authenticated users can create submissions.")
    return int(user["user_id"])


@method("tracker.scalar.add")
def scalar_add(call: Call) -> Json:
    """One number of a trend, which is made if need be, as its submission is."""
    names = ("communityId", "metricName", "producerDisplayName", "submissionUuid", "value")
    _, metric, name, uuid, value = _need(call, *names)
    producer = _producer(call, name)
    if not metric.strip():
        raise Refused(MODULE_ERROR, "Metric name must not be empty")
    query = "SELECT trend_id FROM trend WHERE producer_id = ? AND metric_name = ?"
    trend = call.scalar(query, producer, metric.strip()) or call.insert(
        "trend", producer_id=producer, metric_name=metric.strip(), display_name=metric.strip()
    )
    submission = call.scalar("SELECT submission_id FROM submission WHERE uuid = ?", uuid) or call.insert(
        "submission", producer_id=producer, user_id=_user_id(call), submit_time=call.stamp(), uuid=uuid
    )
    try:
        number = float(value)
    except ValueError:
        number = 0.0  # as PHP has it
    row = call.get("scalar", call.insert("scalar", trend_id=trend, submission_id=submission, value=number))
    assert row is not None
    return shown(row)


@method("tracker.item.associate")
def item_associate(call: Call) -> Json:
    """An item that a number was computed from, or that it has brought forth: noted, and shown by no call."""
    ids, _, _ = _need(call, "scalarIds", "itemId", "label")
    user, item = call.user(), call.get("item", call.id("itemId"))
    if not policies.allowed(call, "item", item, user, READ):
        raise Refused(FORBIDDEN, "Read permission on the item required")
    query = (
        "SELECT community_id FROM scalar JOIN trend USING (trend_id) JOIN producer USING (producer_id)"
        " WHERE scalar_id = ?"
    )
    for text in ids.split(","):
        community = call.get("community", call.scalar(query, text) or 0)
        if community is None:
            raise Refused(MODULE_ERROR, f"Scalar with id {text} does not exist")
        if communities.level(call, community, user) < ADMIN:
            raise Refused(FORBIDDEN, "Admin permission on the community required")


# ---- pages --------------------------------------------------------------------------------------------------------


def _visible(call: Call, community: sqlite3.Row | None) -> None:
    if community is None or communities.level(call, community, call.session_user()) < READ:
        raise Fatal("the community does not exist or you do not have the necessary permission")


def _seen_producer(call: Call, producer_id: int) -> sqlite3.Row:
    row = call.get("producer", producer_id)
    _visible(call, call.get("community", row["community_id"]) if row is not None else None)
    assert row is not None
    return row


def _links(rows: list[sqlite3.Row], css: str, where: str, key: str) -> bytes:
    links = [f'<a class="{css}" href="/tracker/{where}={row[key]}">{row["display_name"]}</a>' for row in rows]
    return ("<html><body>\n" + "\n".join(f"<div>{link}</div>" for link in links) + "\n</body></html>\n").encode()


def producers(call: Call) -> Page:
    """The producers of a community."""
    _visible(call, call.get("community", call.id("communityId")))
    rows = call.rows("SELECT * FROM producer WHERE community_id = ?", call.id("communityId"))
    return Page(body=_links(rows, "producerLink", "producer/view?producerId", "producer_id"))


def trends(call: Call) -> Page:
    """The trends of a producer."""
    producer = _seen_producer(call, call.id("producerId"))
    rows = call.rows("SELECT * FROM trend WHERE producer_id = ?", producer["producer_id"])
    return Page(body=_links(rows, "trendLink", "trend/view?trendId", "trend_id"))


def scalars(call: Call) -> Page:
    """The scalars of some trends between two days, oldest first. Without days: a day of long ago."""
    (wanted,) = call.need("trendId")
    begin = call.params.get("startDate", "1970-01-01")
    end = call.params.get("endDate", "1970-01-01") + " 23:59:59"
    found = []
    for text in wanted.replace(",", " ").split():
        trend = call.get("trend", int(text) if text.isdigit() else 0)
        if trend is None:
            raise Fatal("the trend does not exist or you do not have the necessary permission")
        _seen_producer(call, trend["producer_id"])
        query = (
            "SELECT scalar.*, submit_time, producer_revision, branch FROM scalar JOIN submission USING (submission_id)"
            " WHERE trend_id = ? AND submit_time >= ? AND submit_time <= ? ORDER BY submit_time, scalar_id"
        )
        found.append([shown(row) for row in call.rows(query, trend["trend_id"], begin, end)])
    return Page(body=dumped({"status": "ok", "scalars": found}))


PAGES |= {
    "/tracker/producer/list": producers,
    "/tracker/producer/view": trends,
    "/tracker/trend/scalars": scalars,
}
