"""The wire: calls by method name, logging in, and the session of the web pages (section 2).

Parameters go in the body, where access logs do not see the token. A token lasts 100 minutes and nobody says for how
long it still does: it is used until it is refused, then one login serves all who wait, and the call is made once more.
No cookie is sent with calls, because PHP would make them wait for each other; the one that comes with an answer stands
for the user as well, and is what the pages want.

The secret is an API key or the password. Behind it, after a blank, may stand a one-time code for an account with a
second factor, or the token that such a code has brought.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
import trio

from assetfs.backends import Address
from assetfs.backends.midas.errors import InvalidToken, refusal, status_error
from assetfs.backends.midas.wire import Envelope, decode, read
from assetfs.repository import CodeWanted, NotAuthenticated, ProtocolViolation, RepositoryError
from assetfs.transport import Content, Pool, Response, Transport

READ_TIMEOUT = 60.0
DEADLINE = 180.0
"""Seconds: deletes and moves of large folders run inside the request."""
SESSION_SECONDS = 15 * 60
"""For which a cookie is taken to be good; the server's own measure is 20 minutes."""
DETAILS_IN_FLIGHT = 8
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
KEY_LENGTH = 32
TOKEN_MARK = "token:"
CODE = re.compile(r"(?P<secret>.+) (?P<extra>\d{4,10}|token:[A-Za-z0-9]{32})")


class Client:
    """Calls to one server as one user."""

    def __init__(self, transport: Transport, address: Address) -> None:
        self.transport = transport
        self.token = ""
        self.anonymous = not address.user
        """Nobody in particular: what is public can be read."""
        self._address = address
        found = CODE.fullmatch(address.secret)
        self._secret = found["secret"] if found else address.secret
        self._extra = found["extra"] if found else ""
        self.lasting: str | None = None
        """The secret with the token that a code has brought."""
        self._login = trio.Lock()
        self.ahead = 0.0
        """Seconds that the server's clock is ahead of ours, by its last answer."""
        self._session: tuple[str, float] | None = None
        self.details = trio.CapacityLimiter(DETAILS_IN_FLIGHT)

    async def call(
        self, method: str, kind: Any = object, *, repeatable: bool = True, bulk: bool = False, **params: Any
    ) -> Any:
        """One call's data as a record of `kind`. `bulk` calls may be many at once.

        Raises what the tables of `errors` say.
        """
        used = self.token
        try:
            return await self._call(method, kind, repeatable, bulk, params)
        except InvalidToken:
            await self.renew(used)
        return await self._call(method, kind, repeatable, bulk, params)

    async def _call(self, method: str, kind: Any, repeatable: bool, bulk: bool, params: Mapping[str, Any]) -> Any:
        form = {"method": f"midas.{method}", **params, **({"token": self.token} if self.token else {})}
        answer = await self._post(method, form, repeatable, Pool.CONTENT if bulk else Pool.API)
        self._note_time(answer.headers.get("date"))
        cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        if cookie.startswith("PHPSESSID="):
            self._session = (cookie, trio.current_time() + SESSION_SECONDS)
        return read(opened(answer, method).data, kind, method)

    def _note_time(self, date: str | None) -> None:
        if date:
            with suppress(ValueError):
                self.ahead = parsedate_to_datetime(date).timestamp() - time.time()

    async def _post(self, label: str, form: Mapping[str, object], repeatable: bool, pool: Pool) -> Response:
        return await self.transport.request(
            "POST",
            "api/json",
            label=label,
            content=urlencode({name: str(value) for name, value in form.items()}).encode(),
            headers=FORM,
            repeatable=repeatable,
            pool=pool,
            read_timeout=READ_TIMEOUT,
            deadline=DEADLINE,
        )

    async def renew(self, used: str) -> None:
        """A new token in place of one that was refused; nothing where another task was faster."""
        async with self._login:
            if self.token == used and not self.anonymous:
                await self.log_in()

    async def log_in(self) -> None:
        """Get a token with the secret. Raises NotAuthenticated; CodeWanted where a code is wanted that is not there,
        or was used."""
        extra, self._extra = self._extra, ""  # a code serves once, and a kept token has its own end
        if extra.startswith(TOKEN_MARK):
            self.token, extra = extra.removeprefix(TOKEN_MARK), ""
            try:
                await self._call("user.folders", object, True, False, {})
                return
            except InvalidToken:
                self.token = ""
        whole = self._address.secret
        for secret, code in ((self._secret, extra), *([(whole, "")] if whole != self._secret and extra else [])):
            try:
                self.token = await self._with_secret(secret, code)
            except CodeWanted:
                raise
            except NotAuthenticated as error:
                refused = error
            else:
                self.lasting = f"{secret} {TOKEN_MARK}{self.token}" if code else None
                return
        raise refused

    async def _with_secret(self, secret: str, code: str) -> str:
        """A token for a key or a password; a password may look like a key."""
        if len(secret) == KEY_LENGTH and secret.isalnum():
            try:
                return await self._with_key(secret, code)
            except CodeWanted:
                raise
            except NotAuthenticated:
                pass
        try:
            form = {"method": "midas.user.apikey.default", "email": self._address.user, "password": secret}
            answer = await self._post("user.apikey.default", form, True, Pool.API)
            found = read(opened(answer, "user.apikey.default").data, dict[str, str], "user.apikey.default")
        except NotAuthenticated:
            raise NotAuthenticated(
                "Midas takes neither this e-mail address with this API key nor with it as a password"
            ) from None
        return await self._with_key(found["apikey"], code)

    async def _with_key(self, key: str, code: str) -> str:
        appname = self._address.options.get("appname") or "Default"
        form = {"method": "midas.login", "email": self._address.user, "apikey": key, "appname": appname}
        answer = await self._post("login", form, True, Pool.API)
        envelope = envelope_of(answer, "login")
        if envelope.stat != "ok" and envelope.code == "0":
            raise NotAuthenticated("the API key is wrong, or does not belong to this application name")
        found = read(opened(answer, "login").data, dict[str, str], "login")
        if "token" not in found:
            found = await self._with_code(found.get("mfa_token_id", ""), code)
        return str(found["token"])

    async def _with_code(self, number: str, code: str) -> dict[str, str]:
        """The second half of a login: one attempt for each number."""
        if not code:
            raise CodeWanted("the account asks for a one-time code: run `assetfs login`, which asks you for it")
        form = {"method": "midas.mfa.otp.login", "mfaTokenId": number, "otp": code}
        answer = await self._post("mfa.otp.login", form, False, Pool.API)
        envelope = envelope_of(answer, "mfa.otp.login")
        if envelope.stat != "ok":
            raise CodeWanted("the one-time code is wrong, or was used: run `assetfs login` with a new one")
        found: dict[str, str] = read(envelope.data, dict[str, str], "mfa.otp.login")
        return found

    async def rest(self, path: str, body: Mapping[str, object]) -> Any:
        """PUT a JSON body to the REST face, which is the only way to send typed metadata in bulk. Returns its data."""
        for _ in range(2):
            used = self.token
            answer = await self.transport.request(
                "PUT",
                f"rest/{path}",
                label=path.rpartition("/")[0],
                content=msgspec.json.encode({**body, "token": used}),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                repeatable=True,
            )
            if answer.status == 200:
                return plain_data(answer, path)
            error = _rest_error(answer, path)
            if not isinstance(error, InvalidToken):
                raise error
            await self.renew(used)
        raise error

    async def page(self, path: str, *, verb: str = "POST", **params: object) -> Response:
        """A page for people, in a session of the user. Returns the answer, whatever its status below 500."""
        if not self.anonymous and (self._session is None or self._session[1] < trio.current_time()):
            await self.call("user.folders")
            if self._session is None:
                raise ProtocolViolation("the server gives no session cookie")
        form = urlencode({name: str(value) for name, value in params.items()})
        answer = await self.transport.request(
            verb,
            path if verb == "POST" else f"{path}?{form}",
            label=path,
            content=form.encode() if verb == "POST" else None,
            headers={**FORM, **({"Cookie": self._session[0]} if self._session else {})},
            repeatable=verb == "GET",
        )
        if answer.status >= 500:
            raise status_error(answer.status, path)
        return answer

    async def location(self, method: str, **params: Any) -> str | None:
        """Where a call that redirects would send us; None where it answers with an envelope, and refuses."""
        form = {"method": f"midas.{method}", **params, **({"token": self.token} if self.token else {})}
        answer = await self._post(method, form, True, Pool.API)
        return answer.headers.get("location") if answer.status == 302 else None

    async def send(self, params: Mapping[str, object], content: Content, length: int) -> None:
        """PUT bytes of an upload. The upload token in the query is all that the server asks for."""
        query = urlencode({"method": "midas.upload.perform", **{name: str(value) for name, value in params.items()}})
        answer = await self.transport.request(
            "PUT",
            f"api/json?{query}",
            label="upload.perform",
            content=content,
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(length)},
            repeatable=False,
            pool=Pool.UPLOAD,
            read_timeout=READ_TIMEOUT,
            deadline=float("inf"),
        )
        opened(answer, "upload.perform")

    async def send_form(self, params: Mapping[str, object], name: str, content: bytes) -> None:
        """POST an upload as a form: for the one content that does not arrive otherwise (5.5)."""
        boundary = secrets.token_hex(16)
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}' for key, value in params.items()]
        body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts).encode()
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'.encode()
        body += content + f"\r\n--{boundary}--\r\n".encode()
        answer = await self.transport.request(
            "POST",
            "api/json?method=midas.upload.perform",
            label="upload.perform",
            content=body,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            repeatable=False,
            pool=Pool.UPLOAD,
        )
        opened(answer, "upload.perform")


def plain_data(answer: Response, doing: str) -> Any:
    """The data of an answer of the REST face. Raises ProtocolViolation."""
    try:
        return msgspec.json.decode(answer.content, type=dict[str, Any]).get("data")
    except msgspec.MsgspecError:
        raise ProtocolViolation(f"the answer to {doing} is no JSON of this protocol") from None


def envelope_of(answer: Response, doing: str) -> Envelope:
    """The envelope of an answer, refused or not. Raises what its status says."""
    if answer.status != 200:
        raise status_error(answer.status, doing)
    return decode(answer.content, doing)


def opened(answer: Response, doing: str) -> Envelope:
    """The envelope of an answer. Raises what it refuses with."""
    envelope = envelope_of(answer, doing)
    if envelope.stat != "ok":
        raise refusal(envelope.code, envelope.message, doing)
    return envelope


def _rest_error(answer: Response, doing: str) -> RepositoryError:
    class Failed(msgspec.Struct):
        code: int
        msg: str = ""

    try:
        failed = msgspec.json.decode(answer.content, type=dict[str, Failed])["error"]
    except (msgspec.MsgspecError, KeyError):
        return status_error(answer.status, doing)
    return refusal(str(failed.code), failed.msg, doing)
