"""GET consume/assets: the search index behind the list of assets, with its windows, cuts and aggregations."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime
from typing import Any

from assetfs.sandbox.sams import wire
from assetfs.sandbox.sams.context import Call, Reply
from assetfs.sandbox.sams.documents import Document, seconds, sha1
from assetfs.sandbox.sams.errors import crashed, framework, refused
from assetfs.sandbox.sams.query import DATES, LISTS, SORTED, Failed, Malformed, Sql, translated, value_of

WINDOW = 10_000  # from + size
BUCKETS = 10  # of a terms aggregation that names no size
# Without a sort the order is by score, which says nothing: here it changes with every write.
NO_ORDER = "json_extract(asset.view, '$._etag')"


def search(call: Call) -> Reply:
    """Answer a search."""
    try:
        return _search(call)
    except Malformed as error:
        raise crashed("RequestError(400, 'parsing_exception')") from error
    except Failed as error:
        raise refused("04002") from error


def _search(call: Call) -> Reply:
    source = _json(call.query.get("source") or None, {})
    if not isinstance(source, dict):
        raise crashed(f"'{type(source).__name__}' object has no attribute 'setdefault'")
    where, values = _condition(call, source)
    page, results = wire.window(call)
    size = source.get("size", results)
    start = source.get("from", (page - 1) * results)
    if start + size > WINDOW:
        raise Failed
    total = call.documents.db.execute(f"SELECT count(*) FROM asset WHERE {where}", values).fetchone()[0]
    order, after = _order(call, source)
    found = call.documents.db.execute(
        f"SELECT asset.view FROM asset WHERE {where} AND {after[0]} ORDER BY {order[0]} LIMIT ? OFFSET ?",
        [*values, *after[1], *order[1], size, start],
    ).fetchall()  # a cursor left half-way would keep this connection in the past
    states = {document["_id"]: document["state"] for document in call.documents.sets()}
    chosen = _chosen(source.get("_source", True))
    projected = _json(call.query.get("projections"), None)
    if chosen is None and isinstance(projected, list):
        chosen = ["_resource", "_etag", *projected]
    if chosen is None and (fields := wire.projection(call)):
        chosen = ["_resource", *fields]
    items = [_shown(call, json.loads(row[0]), chosen, states) for row in found]
    more = {}
    if aggregations := source.get("aggs", source.get("aggregations")):
        more["_aggregations"] = {
            name: _aggregated(call, aggregation, where, values) for name, aggregation in aggregations.items()
        }
    return wire.listing(call, "consume/assets", items, min(total, wire.COUNTED), **more)


def _chosen(given: Any) -> list[str] | None:
    """The fields that `_source` names; None for all of them."""
    if isinstance(given, dict):
        given = given.get("includes", given.get("include", True))
    if isinstance(given, bool):
        return None if given else []
    return [given] if isinstance(given, str) else given


def _json(text: str | None, default: Any) -> Any:
    try:
        return json.loads(text) if text is not None else default
    except ValueError as error:
        raise crashed(error) from error


def _condition(call: Call, source: Document) -> Sql:
    """All conditions of a request: the query in `source`, and the arguments beside it."""
    query, given = source.get("query", {}), call.query
    if not isinstance(query, dict):
        raise crashed(f"'{type(query).__name__}' object has no attribute 'items'")
    filters: list[Any] = [{name: body} for name, body in query.items()]
    if "filter" in given:
        filters.append(_json(given["filter"], {}))
    if "where" in given:
        filters.append({"term": _where(given["where"])})
    if given.get("q"):
        body = {"query": given["q"], "default_operator": given.get("default_operator", "OR")}
        filters.append({"query_string": body | ({"default_field": given["df"]} if "df" in given else {})})
    return translated({"bool": {"must": filters}})


def _where(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return _json(text, {})
    field, equals, value = (part.strip() for part in text.partition("=="))
    if not equals:
        raise framework(400)
    return {field: value if value.isidentifier() else _literal(value)}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except ValueError as error:
        raise crashed("malformed node or string: <_ast.Name object at 0x7f0000000000>") from error
    except SyntaxError as error:
        raise crashed("unexpected EOF while parsing (<unknown>, line 1)") from error


def _keys(call: Call, source: Document) -> list[tuple[str, bool]]:
    """The fields to sort by, each with whether it is descending."""
    given = source.get("sort")
    if given is None:
        return [(str(field), direction < 0) for field, direction in _literal(call.query.get("sort") or "[]")]
    keys = []
    for key in given if isinstance(given, list) else [given]:
        field, how = (key, "asc") if isinstance(key, str) else next(iter(key.items()))
        keys.append((field, (how.get("order", "asc") if isinstance(how, dict) else how) == "desc"))
    return keys


def _order(call: Call, source: Document) -> tuple[Sql, Sql]:
    """The ORDER BY, and the condition for what comes after `search_after`."""
    keys = [key for key in _keys(call, source) if key[0] != "_score"]
    if not keys:
        return (NO_ORDER, []), ("1", [])
    order: list[str] = []
    values: list[Any] = []
    for field, descending in keys:
        sql, given = value_of(field)
        if field not in SORTED:
            order.append(f"{sql} IS NULL")  # what is missing is last in both directions
            values += given
        order.append(f"{sql} DESC" if descending else sql)
        values += given
    return (", ".join(order), values), _after(keys, source.get("search_after"))


def _after(keys: list[tuple[str, bool]], last: Any) -> Sql:
    if last is None:
        return "1", []
    if not isinstance(last, list) or len(last) != len(keys):
        raise Failed
    parts: list[str] = []
    values: list[Any] = []
    for number, (field, descending) in enumerate(keys):
        equal = [value_of(other) for other, _ in keys[:number]]
        sql, given = value_of(field)
        parts.append(" AND ".join([*(f"{same} = ?" for same, _ in equal), f"{sql} {'<' if descending else '>'} ?"]))
        for (_, same_given), same_last in zip(equal, last, strict=False):
            values += [*same_given, same_last]
        values += [*given, last[number]]
    return f"({' OR '.join(f'({part})' for part in parts)})", values


def _shown(call: Call, view: Document, chosen: Any, states: dict[str, str]) -> Document:
    """An item of the answer. Leaving out certain fields breaks the server's own code."""
    public = view["state"] == "public" and states.get(view["set_id"]) == "usable"
    if chosen is not None:
        for needed in ("_resource", "set_id", "state"):
            if needed not in chosen:
                raise crashed(f"'{needed}'")
        wanted = {name.split(".")[0] for name in chosen}
        kept = {name: value for name, value in view.items() if name in wanted or name == "_id"}
        view = {"_created": wire.NEVER, "_updated": wire.NEVER, "_etag": sha1(json.dumps(kept)), **kept}
    links = wire.public_link(call, view) if public else {}
    return wire.linked({**view, "_type": "assets"}, "consume/assets", **links)


# Aggregations


def _aggregated(call: Call, aggregation: Any, where: str, values: list[Any]) -> Document:
    if "terms" in aggregation:
        return _buckets(call, aggregation, where, values)
    (kind, body), *_ = [item for item in aggregation.items() if item[0] != "aggs"]
    if kind not in ("sum", "max", "min", "value_count"):
        raise Malformed(f"unknown aggregation [{kind}]")
    sql, given = _measured(kind, body["field"])
    row = call.documents.db.execute(f"SELECT {sql} FROM asset WHERE {where}", [*given, *values]).fetchone()
    return _value(body["field"], row[0], kind)


def _measured(kind: str, field: str) -> Sql:
    sql, given = value_of(field)
    return f"{'count' if kind == 'value_count' else kind}({sql})", given


def _value(field: str, value: Any, kind: str) -> Document:
    if field in DATES and value is not None and kind in ("max", "min"):
        moment = seconds(value)
        text = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        return {"value": moment * 1000, "value_as_string": text}
    return {"value": float(value or 0) if kind == "sum" else value}


def _buckets(call: Call, aggregation: Any, where: str, values: list[Any]) -> Document:
    """Counts by a field's values, the largest first, cut at the size."""
    field, size = aggregation["terms"]["field"], aggregation["terms"].get("size", BUCKETS)
    below = aggregation.get("aggs", {})
    above, _, key = field.partition(".")
    tables, given = "asset", []
    if above in LISTS:
        tables = "asset, json_each(asset.view, ?) item"
        given = [f"$.{above}"]
        keys, key_values = "json_extract(item.value, ?)", [f"$.{key}"]
    else:
        keys, key_values = value_of(field)
    columns, column_values = "", []
    for inner in below.values():
        (kind, body) = next(iter(inner.items()))
        sql, inner_values = _measured(kind, body["field"])
        columns += f", {sql}"
        column_values += inner_values
    rows = call.documents.db.execute(
        f"SELECT {keys} AS key, count(DISTINCT asset.id){columns} FROM {tables} WHERE {where}"
        " GROUP BY 1 HAVING key IS NOT NULL ORDER BY 2 DESC, 1",
        [*key_values, *column_values, *given, *values],
    ).fetchall()
    buckets = []
    for row in rows[:size]:
        bucket = {"key": row[0], "doc_count": row[1]}
        for (name, inner), value in zip(below.items(), tuple(row)[2:], strict=True):
            (kind, body) = next(iter(inner.items()))
            bucket[name] = _value(body["field"], value, kind)
        buckets.append(bucket)
    rest = sum(row[1] for row in rows[size:])
    return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": rest, "buckets": buckets}
