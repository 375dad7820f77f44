"""Two servers, one story: the real Jama and the sandbox get the same calls, and answer alike.

    python -m tests.live.differential [--seed N] [--calls N] [--repeat N]

prints each kind of difference as it is found (the real server's answer first) and ends with their number; status 1
where there is any. Ids are compared as they are, since both servers begin alike; times are compared by whether they
have moved since they were last seen. Not part of the suite: it is for whoever changes the sandbox.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from urllib.parse import quote_plus

import httpx

from tests.live import real_jama
from tests.live.story import BLOBS, METHODS, NAMES, SUPER, WEIRD, Story
from tests.sandboxes import start_sandbox

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
Answer = httpx.Response | Exception
HEADERS = (
    "content-type",
    "content-disposition",
    "accept-ranges",
    "content-range",
    "location",
    "allow",
    "www-authenticate",
    "etag",
    "last-modified",
    "expires",
    "cache-control",
    "transfer-encoding",
)


def encoded(text: str) -> str:
    """A name as a header has it."""
    return base64.b64encode(quote_plus(text).encode()).decode()


class Side:
    """One of the two servers."""

    def __init__(self, url: str, keys: dict[str, str], names: list[tuple[str, str]]) -> None:
        self.url, self.keys, self.names = url, keys, names
        self.http = httpx.Client(
            timeout=60, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0), follow_redirects=False
        )
        self.stamps: dict[tuple[Any, ...], str] = {}

    def send(
        self, who: str, method: str, path: str, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> Answer:
        """Ask; a connection that breaks three times is an answer, too."""
        last: Exception = RuntimeError()
        h = {
            "accept-encoding": "identity",
            **({"x-api-key": self.keys[who]} if who in self.keys else {}),
            **(headers or {}),
        }
        for _ in range(3):
            try:
                return self.http.request(method, self.url + path, headers=h, content=content)
            except httpx.TransportError as e:
                last = e
        return last

    def normal(self, x: Any) -> Any:
        """A body without what may differ: addresses, people, times."""
        if isinstance(x, dict):
            key = (x.get("object_type"), x.get("id"))
            out = {}
            for k, v in x.items():
                if k in ("first_name", "email") and "username" in x:
                    out[k] = "<person>"
                elif isinstance(v, str) and ISO.fullmatch(v):
                    out[k] = self.moved((*key, k), v)
                else:
                    out[k] = self.normal(v)
            return out
        if isinstance(x, list):
            return [self.normal(v) for v in x]
        if isinstance(x, str):
            for a, b in self.names:
                x = x.replace(a, b)
        return x

    def moved(self, key: tuple[Any, ...], value: str) -> str:
        """A time as a word: whether it is the one that was seen before."""
        before = self.stamps.get(key)
        self.stamps[key] = value
        return "<first>" if before is None else "<moved>" if before != value else "<same>"


def unordered(x: list[Any]) -> list[Any]:
    return sorted(x, key=lambda v: json.dumps(v, sort_keys=True))


def shape(side: Side, answer: Answer, binary: bool = False) -> dict[str, Any]:
    """What of an answer is compared."""
    if isinstance(answer, Exception):
        return {"broken": type(answer).__name__}
    found: dict[str, Any] = {
        "status": answer.status_code,
        **{h: answer.headers[h] for h in HEADERS if h in answer.headers},
    }
    if answer.status_code in (500, 404) and answer.headers.get("content-type", "").startswith("text/html"):
        found["body"] = "<html>" if b"<" in answer.content else answer.text
    elif answer.headers.get("content-type") == "application/json":
        found["body"] = side.normal(answer.json())
    elif binary:
        found["body"] = (
            len(answer.content),
            hashlib.sha256(answer.content).hexdigest()[:12],
            answer.headers.get("content-length"),
        )
    else:
        found["body"] = answer.text[:300]
    return found


def differs(a: Any, b: Any, at: str = "$") -> str | None:
    """The first differences of two shapes, as text; None when they are alike."""
    if type(a) is not type(b):
        return f"{at}: {a!r:.150} | {b!r:.150}"
    if isinstance(a, dict):
        if list(a) != list(b):
            if set(a) != set(b):
                return (
                    f"{at}: keys only real {sorted(set(a) - set(b))} only sandbox {sorted(set(b) - set(a))} "
                    + "; ".join(filter(None, (differs(a[k], b[k], f"{at}.{k}") for k in a if k in b)))
                )
            order = f"{at}: order of keys {list(a)} | {list(b)}"
            return "; ".join(filter(None, (differs(a[k], b[k], f"{at}.{k}") for k in a))) or order
        return "; ".join(filter(None, (differs(a[k], b[k], f"{at}.{k}") for k in a)))[:600] or None
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{at}: {len(a)} items | {len(b)} items: {json.dumps(a)[:300]} | {json.dumps(b)[:300]}"
        d = next((d for i, (x, y) in enumerate(zip(a, b, strict=True)) if (d := differs(x, y, f"{at}[{i}]"))), None)
        if d and json.dumps(unordered(a)) == json.dumps(unordered(b)):
            return f"{at}: order of items"
        return d
    return None if a == b else f"{at}: {a!r:.200} | {b!r:.200}"


class Run:
    """One seed, told to both."""

    def __init__(self, seed: int, sides: list[Side], options: argparse.Namespace) -> None:
        self.story, self.sides, self.o = Story(seed), sides, options
        self.found: dict[str, int] = {}
        self.count = 0

    def both(self, label: str, ask: Callable[[Side], Answer], binary: bool = False) -> list[Answer]:
        """Ask both, and print what differs."""
        self.count += 1
        answers = [ask(side) for side in self.sides]
        shapes = [shape(side, answer, binary) for side, answer in zip(self.sides, answers, strict=True)]
        d = differs(shapes[0], shapes[1])
        if d and not self.ignored(label, d):
            key = re.sub(r"\d+", "N", f"{label.split('(')[0]}: {d}")[:140]
            self.found[key] = self.found.get(key, 0) + 1
            if self.found[key] <= self.o.repeat:
                print(f"[{self.count}] {label[:300]}\n      {d[:700]}", flush=True)
        return answers

    def ignored(self, label: str, d: str) -> bool:
        return any(re.search(p, f"{label} {d}") for p in self.o.ignore)

    def rpc(self, who: str, method: str, params: list[Any]) -> list[Answer]:
        body = json.dumps({"method": method, "params": params, "id": 1}).encode()
        return self.both(
            f"{method}({json.dumps(params, ensure_ascii=False)[1:-1]}) as {who}",
            lambda s: s.send(who, "POST", "", content=body),
        )

    def learn(self, method: str, answer: Answer) -> None:
        """Take the ids of what was made."""
        if isinstance(answer, Exception) or answer.status_code != 200:
            return
        try:
            x = answer.json().get("result")
        except Exception:
            return
        st = self.story

        def add(pool: list[int], v: Any) -> None:
            if isinstance(v, int) and not isinstance(v, bool) and v not in pool:
                pool.append(v)

        if method == "add_collection" and isinstance(x, dict):
            add(st.c, x.get("id"))
        if method == "add_collection_from_path" and isinstance(x, list):
            for c in x:
                add(st.c, c.get("id"))
        if method == "add_metadataset":
            add(st.s, x)
        if method == "add_metadata":
            add(st.m, x)
        if method == "add_meta_to_resource":
            add(st.v, x)
        if method == "add_meta_to_collection":
            add(st.w, x)
        if method == "create_annotation":
            add(st.ann, x.get("id") if isinstance(x, dict) else x)

    def who(self) -> str:
        return self.story.r.choices(["admin", "reader", "limited", "nobody"], [80, 9, 10, 1])[0]

    def call(self) -> tuple[str, str, list[Any]]:
        r = self.story.r
        name, kinds, _ = r.choices(METHODS, [w for *_, w in METHODS])[0]
        params = [self.story.param(k) for k in kinds]
        if len(params) > 1 and r.random() < 0.25:
            params = params[: r.randrange(len(params) + 1)]
        if r.random() < 0.01:
            params.append(r.choice(WEIRD))
        who = self.who()
        if name in SUPER and who == "admin" and r.random() < self.o.super:
            who = "limited"
        return who, name, params

    def step_rpc(self) -> None:
        who, name, params = self.call()
        self.learn(name, self.rpc(who, name, params)[0])

    def step_batch(self) -> None:
        calls = [self.call() for _ in range(self.story.r.choice([1, 2, 3, 5]))]
        body = json.dumps([{"method": n, "params": p, "id": i} for i, (_, n, p) in enumerate(calls)]).encode()
        a = self.both(
            f"batch({[(n, p) for _, n, p in calls]})", lambda s: s.send(calls[0][0], "POST", "", content=body)
        )[0]
        if not isinstance(a, Exception) and a.status_code == 200:
            for (_, name, _), one in zip(calls, a.json(), strict=True):
                self.learn(name, httpx.Response(200, json=one))

    def step_odd_body(self) -> None:
        r = self.story.r
        body = r.choice(
            [
                b"",
                b"{}",
                b"[]",
                b"null",
                b"1",
                b'"x"',
                b'{"method": "ping"}',
                b'{"id": 1}',
                b'{"id": 1, "method": 5}',
                b'{"id": null, "method": "ping"}',
                b'{"id": "a", "method": "ping", "params": []}',
                b'{"id": 1.5, "method": "ping"}',
                b'{"id": [1], "method": "ping"}',
                b'{"id": {}, "method": "ping"}',
                b'{"id": true, "method": "ping", "params": null}',
                b'{"id": 1, "method": "ping", "params": {}}',
                b'{"id": 1, "method": "collection", "params": {"1": 5}}',
                b'{"id": 1, "method": "collection", "params": {"collection_id": 1}}',
                b'{"id": 1, "method": "ping", "params": "ab"}',
                b'{"id": 1, "method": "collection", "params": "1"}',
                b'[{"id": 1, "method": "ping"}, 5]',
                b"[[]]",
                b'[{"id": 1, "method": "ping"}, {"method": "ping"}]',
                b"\xff\xfe",
                b'{"id": 1, "method": "ping", "params": [NaN]}',
                b'{"id":1,"method":"ping","params":[]} x',
                b'{"id": 1, "method": "ping", "jsonrpc": "2.0", "extra": 1}',
                b'{"id": 1, "method": null}',
                b'{"id": 1, "method": ""}',
                b'{"id": 1, "method": ["ping"]}',
                b'{"id": 1, "method": {"a":1}}',
                b'{"id": 1, "method": "ping", "params": false}',
                b'{"id": 1, "method": "ping", "params": 0}',
                b'{"id": 1, "method": "collection", "params": [1]}'.replace(b"[1]", b"[[1]]"),
                json.dumps([{"id": i, "method": "ping"} for i in range(101)]).encode(),
                b" " * 1048577,
                b'{"id": 12345678901234567890123, "method": "ping"}',
                b'{"id": "", "method": "ping"}',
                b'{"id": 0, "method": "ping"}',
                b'{"id": false, "method": "ping"}',
                b'[{"id": 1, "method": "collection", "params": ["x"]}, {"id": 2, "method": "ping"}]',
                b'\xef\xbb\xbf{"id": 1, "method": "ping"}',
            ]
        )
        self.both(f"body {body[:90]!r}", lambda s: s.send("admin", "POST", "", content=body))

    def step_http(self) -> None:
        r = self.story.r
        method, path = (
            r.choice(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "POST"]),
            r.choice(
                [
                    "",
                    "upload/partial/",
                    "upload/",
                    "upload/partial",
                    "upload",
                    "download/1",
                    "download/2/",
                    "download/x",
                    "download/",
                    "download/-1",
                    "download/99999999999999999999",
                    "download_public/" + "0" * 64,
                    "serve/" + "0" * 64,
                    "nothing/",
                    "../status",
                    "..",
                    "../rpc",
                    "../status/",
                    "../resources/simple_thumb/abc/100",
                    "../iiif/x",
                    "../hls/x",
                    "../accounts/login/",
                    "../nothing",
                    "download_public/x",
                    "serve/",
                    "download/1?x=1",
                    "../resources/",
                    "metas/download/collection_1.xlsx",
                    "metas/upload/",
                    "ark/",
                    "../favicon.ico",
                    "../robots.txt",
                    "../annotations/",
                    "../ark:/1/2",
                ]
            ),
        )
        headers = r.choice(
            [
                {},
                {},
                {"content-type": "text/plain"},
                {"origin": "http://x.example", "access-control-request-method": "POST"},
                {"cookie": "sessionid=x"},
                {"authorization": "Basic eDp5"},
                {"x-project": "1"},
            ]
        )
        who = r.choice(["admin", "reader", "nobody"])
        if method == "GET" and path in ("metas/download/collection_1.xlsx",):
            return
        self.both(
            f"{method} /rpc/{path} {headers} as {who}",
            lambda s: s.send(who, method, path, headers),
            binary=path.startswith("download/"),
        )

    def step_download(self) -> None:
        r = self.story.r
        number = self.story.pick(self.story.f)

        def n() -> int:
            return r.choice([0, 0, 1, 3, 5, 10, 11, 12, 100, 2559, 2560, 5000])

        span = r.choice(
            [
                None,
                f"bytes={n()}-{n()}",
                f"bytes={n()}-{n()}",
                f"bytes={n()}-",
                f"bytes=-{n()}",
                "bytes=0-0,2-3",
                "bytes=a-b",
                "bytes=",
                "items=0-1",
                "BYTES=0-1",
                "bytes = 0-1",
                "bytes=0 - 1",
                "bytes=--1",
                "bytes=-",
                "bytes=0-1;",
                "bytes 0-1",
                "bytes=+1-2",
                "bytes=1_0-20",
                "bytes=0x1-2",
                "",
                "bytes=0-99999999999999999999",
                "bytes=99999999999999999999-",
            ]
        )
        headers = {
            **({"range": span} if span is not None else {}),
            **r.choice(
                [
                    {},
                    {},
                    {"if-none-match": "*"},
                    {"if-range": '"x"'},
                    {"if-modified-since": "Sat, 21 Nov 2026 10:00:00 GMT"},
                ]
            ),
        }
        who = self.who()
        self.both(
            f"GET download/{number} {headers} as {who}",
            lambda s: s.send(who, "GET", f"download/{number}", headers),
            binary=True,
        )

    def step_upload(self) -> None:
        r = self.story.r
        blob = (
            r.choice(BLOBS)
            if r.random() < 0.5
            else r.choice([b"u", b"v", b"w"]) * r.randrange(1, 40) + str(r.randrange(60)).encode()
        )
        digest = hashlib.sha256(blob).hexdigest()
        name = r.choice(NAMES) if r.random() < 0.5 else r.choice(["n.txt", "n.jpg", "o.bin", "p.pdf"])
        total = r.choice([1, 1, 1, 2, 3, 11])
        size = -(-len(blob) // total) or 1
        chunks = [(i + 1, blob[i * size : (i + 1) * size]) for i in range(total)]
        if r.random() < 0.5:
            r.shuffle(chunks)
        if r.random() < 0.1:
            chunks.append(r.choice(chunks))
        if r.random() < 0.1 and len(chunks) > 1:
            chunks.pop()
        where = {}
        if r.random() < 0.6:
            where["x-collection-id"] = str(self.story.pick(self.story.c))
        elif r.random() < 0.4:
            where["x-origin-dir"] = encoded(r.choice(["dirA/dirB", "a", " ", "/", "../x", "a//b", "É"]))
        who = self.who()
        odd: dict[str, str | None] = {}
        if r.random() < 0.2:
            odd = r.choice(
                [
                    {"x-file-hash": digest.upper()},
                    {"x-file-hash": "x"},
                    {"x-file-hash": "0" * 64},
                    {"x-file-name": "%%%"},
                    {"x-file-name": base64.b64encode(b"plain name.txt").decode()},
                    {"x-file-name": base64.b64encode(b"\xff.txt").decode()},
                    {"x-file-name": ""},
                    {"x-file-chunk": "0/1"},
                    {"x-file-chunk": "2/1"},
                    {"x-file-chunk": "1"},
                    {"x-file-chunk": "a/b"},
                    {"x-file-chunk": "1/10001"},
                    {"x-file-chunk": " 1 / 1 "},
                    {"x-file-chunk": "1/1/1"},
                    {"x-file-chunk": "+1/1"},
                    {"x-project": ""},
                    {"x-project": "99"},
                    {"x-project": "x"},
                    {"x-project": " 1"},
                    {"x-project": "1.0"},
                    {"x-collection-id": "0"},
                    {"x-collection-id": "x"},
                    {"x-collection-id": ""},
                    {"x-collection-id": "-1"},
                    {"x-collection-id": " 1"},
                    {"x-origin-dir": "%%%"},
                    {"x-origin-dir": ""},
                    {"x-origin-dir": base64.b64encode(b"\xff").decode()},
                    {"content-type": "text/plain"},
                    {"x-project": None},
                    {"x-file-hash": None},
                    {"x-file-name": None},
                    {"x-file-chunk": None},
                    {"x-collection-id": "99999999999999999999"},
                    {"x-file-name": "Zm9vLnR4dA"},
                    {"x-file-name": " Zm9vLnR4dA=="},
                ]
            )
        for n, part in chunks:
            given = {
                "x-project": "1",
                "x-file-hash": digest,
                "x-file-chunk": f"{n}/{total}",
                "x-file-name": encoded(name),
            }
            headers = {key: value for key, value in {**given, **where, **odd}.items() if value is not None}
            answers = self.both(
                f"upload {name!r} {len(blob)} {n}/{total} {where} {odd} as {who}",
                lambda side, headers=headers, part=part: side.send(  # type: ignore[misc]
                    who, "POST", "upload/partial/", headers, part
                ),
            )
            a = answers[0]
            if (
                not isinstance(a, Exception)
                and a.status_code in (200, 210)
                and a.text.isdigit()
                and int(a.text) not in self.story.f
            ):
                self.story.f.append(int(a.text))
        if r.random() < 0.3:
            self.rpc("admin", "upload_infos", [digest, 1])

    def step_auth(self) -> None:
        r = self.story.r
        headers = r.choice(
            [
                {},
                {"x-api-key": ""},
                {"x-api-key": "wrong"},
                {"authorization": "Basic eDp5"},
                {"authorization": "Bearer x"},
                {"authorization": ""},
                {"authorization": "Basic %%"},
                {"authorization": "basic eDp5"},
            ]
        )
        path, method = r.choice(
            [("", "POST"), ("upload/partial/", "POST"), ("download/1", "GET"), ("download/999", "GET")]
        )
        self.both(
            f"auth {headers} {method} {path}",
            lambda s: s.send("none", method, path, headers, b'{"id":1,"method":"ping"}' if method == "POST" else None),
        )

    def whole(self) -> None:
        """The state of both."""
        for c in list(self.story.c):
            self.rpc("admin", "collection", [c])
        for f in list(self.story.f):
            self.rpc("admin", "resource", [f, True])
        self.rpc("admin", "recycle_bin", [1])

    def go(self) -> bool:
        steps = [
            (self.step_rpc, 100),
            (self.step_batch, 6),
            (self.step_odd_body, 3),
            (self.step_http, 4),
            (self.step_download, 8),
            (self.step_upload, 9),
            (self.step_auth, 1),
        ]
        for i in range(self.o.calls):
            self.story.r.choices([s for s, _ in steps], [w for _, w in steps])[0]()
            if i % 400 == 399:
                self.whole()
        self.whole()
        print(
            f"seed {self.o.seed}: {self.count} requests,"
            f" {sum(self.found.values())} differences of {len(self.found)} kinds"
        )
        return bool(self.found)


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--calls", type=int, default=1500)
    p.add_argument("--repeat", type=int, default=2)
    p.add_argument("--ignore", action="append", default=[])
    p.add_argument("--super", type=float, default=0.9)
    o = p.parse_args()
    with ExitStack() as stack:
        real = stack.enter_context(start())
        box = stack.enter_context(start_sandbox("jama", seed="empty"))
        keys = {
            "admin": box.credential,
            "reader": box.info["readonly_credential"],
            "limited": box.info["limited_credential"],
            "nobody": "wrong-key",
        }
        sides = [
            Side(
                real.url,
                {"admin": real.credential, "reader": READER, "limited": LIMITED, "nobody": "wrong-key"},
                [
                    ("http://elsewhere.invalid", "SITE"),
                    ("http://localhost/iip/", "IIIF/"),
                    ("http://localhost:8000/hls/", "HLS/"),
                    ("admin_sandbox", "admin"),
                    (re.sub("/rpc/$", "", real.url), "BASE"),
                ],
            ),
            Side(
                box.url,
                keys,
                [
                    ("http://canary.invalid", "SITE"),
                    ("http://iiif.invalid/iip/", "IIIF/"),
                    ("http://hls.invalid/hls/", "HLS/"),
                    (re.sub("/rpc/$", "", box.url), "BASE"),
                ],
            ),
        ]
        return Run(o.seed, sides, o).go()


READER, LIMITED = "r" * 32, "l" * 32
"""Keys of the two other people."""
SETUP = """
from django.contrib.auth.models import User
from resources.models import ObjectPermission, Project, ProjectAccess, Role
admin = User.objects.get(username="admin_sandbox")
admin.is_superuser = admin.is_staff = True
admin.save()
project = Project.objects.get(pk=1)
role = Role.objects.create(project=project, label="limited to ")
for kind, may in {"resource": "c", "collection": "", "metadata": "r", "metadataset": "r", "project_property": "r",
                  "tag": "cr"}.items():
    flags = {"object_" + verb: verb[0] in may for verb in ("create", "read", "update", "delete")}
    ObjectPermission.objects.create(role=role, object_class=kind, **flags)
for name, label in (("reader", "project read only"), ("limited", "limited to ")):
    role = Role.objects.get(project=project, label=label)
    ProjectAccess.objects.create(project=project, user=User.objects.get(username=name), role=role)
"""


def start() -> AbstractContextManager[real_jama.RealJama]:
    """The real server with the people that the sandbox has."""

    def prepare(jama: Callable[..., str]) -> None:
        jama("apikey", "add", "reader", READER, "--create-user")
        jama("apikey", "add", "limited", LIMITED, "--create-user")
        jama("shell", "-c", SETUP)

    return real_jama.start_real_jama(label="Sandbox", prepare=prepare)


if __name__ == "__main__":
    sys.exit(main())
