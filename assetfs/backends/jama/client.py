"""The wire: calls, batches, and what their failures mean (section 4.1).

The protocol is JSON over POST with positional parameters. A call is data (`Call`): a method, its parameters and the
type of its result. Servers of 0.5.0 and later take arrays of calls; for older ones `many` sends one after the other,
and the rest of the backend does not notice.

At most two calls are in flight (11.17): on SQLite every call takes the one write lock, and a call that waits for it
longer than five seconds fails with status 500.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar, cast

import msgspec
import trio

from assetfs.backends.jama.errors import NoSuchMethod, refusal, status_error
from assetfs.repository import ProtocolViolation, RepositoryError
from assetfs.transport import Transport

T = TypeVar("T")

CALLS_IN_FLIGHT = 2
READ_PATIENCE = 4
"""Times the silence that content may have: 120 s unless it was set otherwise, the server's own worker timeout. A
listing beside a large collection takes seconds (11.18). Two calls that hang hold up all others as long."""
DEADLINE_PATIENCE = 3
"""Times the deadline of other calls."""

RETRIED = frozenset({429, 500, 502, 503, 504})
"""500 too: that is how SQLite's lock shows. A call that fails with it has been rolled back."""

NOT_REPEATABLE = frozenset({"move_collection", "replace_file", "delete_collection"})
"""A lost answer is not asked for again, because the second answer would mean something else (section 2): whoever calls
these reads the state afterwards."""


class Call(Generic[T]):
    """One call: method, positional parameters, type of the result."""

    __slots__ = ("method", "params", "type")

    def __init__(self, method: str, params: Sequence[Any], type_: type[T] | Any = object) -> None:
        self.method = method
        self.params = list(params)
        self.type = type_

    def __repr__(self) -> str:
        return f"Call({self.method})"


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None
    id: Any = None


_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""A surrogate; they come in pairs, or else are half a character."""

_ONE = msgspec.json.Decoder(_Answer)
_MANY = msgspec.json.Decoder(list[_Answer])


class Client:
    """Calls to one endpoint. `batches` and the limits are what `connect` found out about the server."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.batches = True
        self.max_batch = 100
        self.max_body = 1 << 20
        self.server_time: float | None = None
        """The server's clock at its last answer, in seconds since the epoch (whole seconds)."""
        self._ids = itertools.count(1)
        self._in_flight = trio.CapacityLimiter(CALLS_IN_FLIGHT)

    async def call(self, call: Call[T]) -> T:
        """One call's result. Raises what the tables of `errors` say."""
        status, content = await self._post(self._envelope(call), [call])
        if status != 200:
            raise status_error(status, call.method)
        return self._result(call, _decode(_ONE, content, call.method))

    async def many(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """Results of many calls in their order, in as few requests as the server allows.

        A refused call's place holds its error, as a value: the others were made all the same. Raises only what ends
        all of them (Offline, NotAuthenticated, …); calls before that point may have been made.
        """
        if len(calls) == 1 or not self.batches:
            return [await self._outcome(call) for call in calls]
        results: list[Any] = []
        for part in self._parts(calls):
            results += await self.batch(part)
        return results

    async def batch(self, calls: Sequence[Call[Any]]) -> list[Any]:
        """One request for all calls, which fit into it. Raises ProtocolViolation where the server takes no arrays."""
        label = "+".join(dict.fromkeys(call.method for call in calls))
        body = b"[" + b",".join(self._envelope(call) for call in calls) + b"]"
        status, content = await self._post(body, calls)
        if status != 200:
            raise status_error(status, label)
        answers = _decode(_MANY, content, label)
        if len(answers) != len(calls):
            raise ProtocolViolation(f"{len(answers)} answers to a batch of {len(calls)} calls")
        return [self._settled(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def close(self) -> None:
        await self.transport.close()

    async def _outcome(self, call: Call[Any]) -> Any:
        status, content = await self._post(self._envelope(call), [call])
        if status != 200:
            raise status_error(status, call.method)
        return self._settled(call, _decode(_ONE, content, call.method))

    async def _post(self, body: bytes, calls: Sequence[Call[Any]]) -> tuple[int, bytes]:
        repeatable = not any(call.method in NOT_REPEATABLE for call in calls)
        async with self._in_flight:
            response = await self.transport.request(
                "POST",
                "",
                label=calls[0].method if len(calls) == 1 else "batch",
                content=body,
                headers={"Content-Type": "application/json"},
                repeatable=repeatable,
                retry_statuses=RETRIED if repeatable else frozenset({429}),
                read_timeout=READ_PATIENCE * self.transport.options.read_timeout,
                deadline=DEADLINE_PATIENCE * self.transport.options.deadline,
            )
        self.note_time(response.headers.get("date"))
        return response.status, response.content

    def note_time(self, date: str | None) -> None:
        """Remember the server's clock from a Date header."""
        if date:
            try:
                self.server_time = parsedate_to_datetime(date).timestamp()
            except ValueError:
                return

    def _envelope(self, call: Call[Any]) -> bytes:
        return msgspec.json.encode({"method": call.method, "params": call.params, "id": next(self._ids)})

    def _result(self, call: Call[T], answer: _Answer) -> T:
        if answer.error is not None:
            raise refusal(str(answer.error), call.method)
        try:
            return cast(T, msgspec.json.decode(answer.result, type=call.type))
        except msgspec.DecodeError as error:
            if _HALF.search(answer.result):
                return cast(T, msgspec.convert(json.loads(bytes(answer.result)), call.type))
            raise ProtocolViolation(f"the answer to {call.method} is not what the protocol has: {error}") from None

    def _settled(self, call: Call[Any], answer: _Answer) -> Any:
        try:
            return self._result(call, answer)
        except RepositoryError as error:
            return error

    def _parts(self, calls: Iterable[Call[Any]]) -> Iterable[list[Call[Any]]]:
        """Batches within the server's limits of number and bytes."""
        part: list[Call[Any]] = []
        size = 2
        for call in calls:
            # The id is the only part of an envelope that is not known here; twelve digits outlast any mount.
            length = len(msgspec.json.encode({"method": call.method, "params": call.params, "id": 10**12})) + 1
            if part and (len(part) == self.max_batch or size + length > self.max_body):
                yield part
                part, size = [], 2
            part.append(call)
            size += length
        if part:
            yield part


def _decode(decoder: msgspec.json.Decoder[T], content: bytes, doing: str) -> T:
    try:
        return decoder.decode(content)
    except msgspec.DecodeError:
        if _HALF.search(content):
            return _with_halves(decoder, content, doing)
        raise ProtocolViolation(f"the answer to {doing} is no JSON of this protocol: is this a Jama server?") from None


def _with_halves(decoder: msgspec.json.Decoder[T], content: bytes, doing: str) -> T:
    """An answer with half characters in it: a title that somebody cut in the middle. msgspec takes no such text, and
    the standard library does; the results are decoded once more by `_result`."""
    try:
        found = json.loads(content)
        for answer in found if isinstance(found, list) else [found]:
            answer["result"] = msgspec.Raw(json.dumps(answer.get("result")).encode())
        return msgspec.convert(found, decoder.type)
    except (ValueError, TypeError, AttributeError):
        raise ProtocolViolation(f"the answer to {doing} is no JSON of this protocol") from None


def settled(outcome: Any) -> Any:
    """A result of `many`, or its error raised."""
    if isinstance(outcome, RepositoryError):
        raise outcome
    return outcome


def optional(outcome: Any, default: Any = None) -> Any:
    """A result of `many`, or `default` where the server is too old for the call."""
    if isinstance(outcome, NoSuchMethod):
        return default
    return settled(outcome)
