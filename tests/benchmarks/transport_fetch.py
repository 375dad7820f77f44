"""How fast content gets from a server on loopback into lent memory: `python tests/benchmarks/transport_fetch.py`.

nginx serves 1 GiB (a sparse file: no disk is involved); `Transport.fetch` reads it in ranges of 8 MiB, four in flight,
into blocks of 1 MiB that are used again and again, as a prefetch window does. Beside it, for the same bytes: curl.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from assetfs.transport import Transport, TransportOptions, closed_range

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
{user}
events {{ worker_connections 128; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}{tls}; root {folder}/www; {certificate} }}
}}
"""


class Recycled:
    """A sink that has all it needs: one block, lent for every offset."""

    def __init__(self, block: int) -> None:
        self.memory = memoryview(bytearray(block))
        self.block = block
        self.landings = 0
        self.bytes = 0

    def lend(self, offset: int) -> memoryview:
        return self.memory[offset % self.block :]

    def landed(self, offset: int, count: int) -> None:
        self.landings += 1
        self.bytes += count

    def total(self, size: int) -> None:
        pass


@contextmanager
def nginx(folder: Path, size: int, *, tls: bool) -> Iterator[str]:
    """A server of one file, `/f`; its base URL."""
    (folder / "www").mkdir()
    (folder / "t").mkdir()
    with (folder / "www" / "f").open("wb") as file:
        file.truncate(size)
    folder.chmod(0o755)
    certificate = ""
    if tls:
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        certificate = f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = CONFIGURATION.format(
        folder=folder,
        port=port,
        tls=" ssl" if tls else "",
        certificate=certificate,
        user="user root;" if os.geteuid() == 0 else "",
    )
    (folder / "nginx.conf").write_text(text)
    server = subprocess.Popen(["nginx", "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


async def read(base: str, size: int, args: argparse.Namespace, ca_file: Path | None) -> tuple[float, float, int, int]:
    """Seconds, CPU seconds, landings, requests for one pass over the file; the connections exist before it."""
    transport = Transport(base, TransportOptions(ca_file=ca_file, content_connections=args.flights), headers={})
    sinks = [Recycled(args.block << 20) for _ in range(args.flights)]
    chunk = args.chunk << 20
    for sink in sinks:
        for at in range(0, args.block << 20, 4096):
            sink.memory[at] = 1
    ranges = iter(range(0, size, chunk))

    async def flight(sink: Recycled) -> None:
        for start in ranges:
            stop = min(start + chunk, size)
            await transport.fetch("f", start, stop, sink, label="f", interpret=closed_range(start, stop))

    async def warm(sink: Recycled) -> None:
        await transport.fetch("f", 0, 1, sink, label="warm", interpret=closed_range(0, 1))

    async with trio.open_nursery() as nursery:
        for sink in sinks:
            nursery.start_soon(warm, sink)
    before, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    async with trio.open_nursery() as nursery:
        for sink in sinks:
            nursery.start_soon(flight, sink)
    seconds, after = time.perf_counter() - before, resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    assert sum(sink.bytes for sink in sinks) == size + args.flights
    await transport.close()
    return seconds, used, sum(sink.landings for sink in sinks), transport.requests.total("f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB in all")
    parser.add_argument("--chunk", type=int, default=8, help="MiB per request")
    parser.add_argument("--block", type=int, default=1, help="MiB per lent block")
    parser.add_argument("--flights", type=int, default=4, help="requests at a time")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tls", action="store_true")
    args = parser.parse_args()
    size = args.size << 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nginx(folder, size, tls=args.tls) as base:
            ca_file = folder / "ca.pem" if args.tls else None
            for _ in range(args.runs):
                seconds, cpu, landings, requests = trio.run(read, base, size, args, ca_file)
                print(
                    f"fetch {size / seconds / 1e9:5.2f} GB/s  {seconds:.3f} s  "
                    f"{cpu * (1 << 30) / size:.3f} s CPU per GiB  {requests} requests  "
                    f"{size // landings >> 10} KiB per landing"
                )
            if shutil.which("curl"):
                before = time.perf_counter()
                subprocess.run(["curl", "-sk", "-o", "/dev/null", f"{base}f"], check=True)
                seconds = time.perf_counter() - before
                print(f"curl  {size / seconds / 1e9:5.2f} GB/s  {seconds:.3f} s")
    print(f"{ssl.OPENSSL_VERSION}" if args.tls else "plain http")


if __name__ == "__main__":
    main()
