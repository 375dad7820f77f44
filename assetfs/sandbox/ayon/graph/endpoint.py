"""POST /graphql: parse, check, run. What is wrong with a query is said in the answer, whose status is 200."""

from __future__ import annotations

from typing import Any

from graphql import DocumentNode, GraphQLError, execute_sync, parse, validate
from graphql.execution import ExecutionResult

from assetfs.sandbox.ayon.context import Call, Reply, answered
from assetfs.sandbox.ayon.errors import Refused, refused
from assetfs.sandbox.ayon.graph.resolvers import SCHEMA

REMEMBERED = 200  # documents whose parsing and checking is done
_documents: dict[str, DocumentNode] = {}


def post(call: Call) -> Reply:
    """Answer one request; several root fields and projects may be in it."""
    call.user  # noqa: B018  # refuses who is not logged in
    request = call.json()
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise refused(400, "No GraphQL query found in the request")
    document = _document(request["query"])
    if isinstance(document, list):
        return _answer(ExecutionResult(None, document))
    result = execute_sync(
        SCHEMA,
        document,
        None,
        call,
        variable_values=request.get("variables") or {},
        operation_name=request.get("operationName"),
    )
    assert isinstance(result, ExecutionResult)
    return _answer(result)


def _document(query: str) -> DocumentNode | list[GraphQLError]:
    known = _documents.get(query)
    if known is not None:
        return known
    try:
        document = parse(query)
    except GraphQLError as error:
        return [error]
    errors = validate(SCHEMA, document)
    if errors:
        return list(errors)
    if len(_documents) >= REMEMBERED:
        _documents.clear()
    _documents[query] = document
    return document


def _answer(result: ExecutionResult) -> Reply:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_error(error) for error in result.errors]
    return answered(body)


def _error(error: GraphQLError) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "message": error.message,
        "locations": [{"line": place.line, "column": place.column} for place in error.locations or []],
    }
    if error.path is not None:
        shown["path"] = error.path
    if isinstance(error.original_error, Refused):
        shown["extensions"] = {"status": error.original_error.status}
    return shown
