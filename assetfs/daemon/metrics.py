"""The mount in numbers, as Prometheus reads them: `.assetfs/metrics`, and `--metrics-listen`.

Every name is here, with its type and its help; they are counted where they happen, and read when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from assetfs import __version__
from assetfs.daemon.part import Part
from assetfs.observe.histogram import Histogram
from assetfs.observe.traffic import SERVERS
from assetfs.observe.troubles import TROUBLES


def _stored(count: str) -> Callable[[Part], float]:
    return lambda part: part.status.store.counts[count]


Value = tuple[tuple[str, ...], float]
"""The values of a metric's labels, and its own."""

_BYTES = {"cache_bytes": "disk", "fetched_bytes": "server"}
"""Where content came from: what the content store counts, and the word of the metric."""

_STORE = {
    "cache_hits": ("cache_hits", "Stretches of content that the disk cache had."),
    "cache_misses": ("fetches", "Stretches of content that had to be fetched."),
    "prefetch_unread_bytes": ("unread_bytes", "Bytes that were fetched ahead, and given up unread."),
    "digest_mismatches": ("digest_mismatches", "Contents that did not fit the server's digest."),
}
_UPLOADS = {
    "uploads": ("uploaded", "Files that the server has confirmed."),
    "upload_failures": ("failed", "Files that the server refused."),
    "upload_conflicts": ("conflicts", "Files that were kept beside somebody else's."),
}
_GAUGES: dict[str, tuple[str, Callable[[Part], float]]] = {
    "inodes": ("Inodes that the kernel refers to.", lambda part: len(part.fs.inodes)),
    "open_handles": ("Open files and folders.", lambda part: len(part.fs.handles)),
    "cache_used_bytes": ("The disk cache's size.", lambda part: part.disk.used if part.disk else 0),
    "cache_limit_bytes": ("What the disk cache may grow to.", lambda part: part.config.cache_size),
    "memory_used_bytes": ("Buffers in use.", lambda part: part.status.store.pool.in_use),
    "memory_limit_bytes": ("What buffers may take.", lambda part: part.config.memory),
}
_COUNTERS: dict[str, tuple[str, Callable[[Part], float]]] = {
    "read_bytes": ("Bytes that programs read.", lambda part: part.operations.read_bytes),
    "written_bytes": ("Bytes that programs wrote.", lambda part: part.operations.written_bytes),
    **{name: (help_, _stored(count)) for name, (count, help_) in _STORE.items()},
}


class _Mounted(Collector):
    """Collects from what lives as long as the mount."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        yield from self._mount()
        yield from _traffic()
        yield from self._operations()
        yield from self._content()
        yield from self._owed()
        yield _counter("log_messages", "Warnings and errors in the log.", ["level"], _labelled(TROUBLES.counts))

    def _each(self, values: Callable[[Part], Iterable[Value]]) -> list[Value]:
        """Of every repository, with its name as the first label."""
        return [((part.config.source, *labels), value) for part in self._parts for labels, value in values(part)]

    def _mount(self) -> Iterator[Metric]:
        yield _gauge(
            "info",
            "What is mounted, and by which version.",
            ["repository", "backend", "server", "version"],
            self._each(lambda part: [((part.repository.name, part.status.address, __version__), 1)]),
        )
        yield _gauge(
            "health",
            "1 for how it is: ok, refused, unreachable or failing.",
            ["repository", "health"],
            self._each(lambda part: [((part.status.health(),), 1)]),
        )
        yield _gauge(
            "latency_seconds",
            "Median of the server's last 100 answers.",
            ["repository"],
            self._each(lambda part: [((), part.status.server.latency)] if part.status.server.latency else []),
        )

    def _operations(self) -> Iterator[Metric]:
        yield _counter(
            "operations",
            "Requests of the kernel, by kind.",
            ["repository", "operation"],
            self._each(lambda part: _labelled(part.operations.counts)),
        )
        yield _counter(
            "operation_errors",
            "Errors that programs were given, by errno.",
            ["repository", "errno"],
            self._each(lambda part: _labelled(part.operations.errors)),
        )
        yield _histogram(
            "operation_seconds",
            "Time until the kernel had its answer.",
            ["repository", "operation"],
            [((p.config.source, name), one) for p in self._parts for name, one in p.operations.durations.items()],
        )

    def _content(self) -> Iterator[Metric]:
        yield _counter(
            "content_bytes",
            "Content that came from the server, or from the disk cache.",
            ["repository", "origin"],
            self._each(lambda part: [((word,), part.status.store.counts[name]) for name, word in _BYTES.items()]),
        )
        for table, family in ((_COUNTERS, _counter), (_GAUGES, _gauge)):
            for name, (help_, value) in table.items():
                yield family(name, help_, ["repository"], [((p.config.source,), value(p)) for p in self._parts])

    def _owed(self) -> Iterator[Metric]:
        owed = [((part.config.source,), part.status.uploads()) for part in self._parts]
        yield _gauge(
            "journal_files",
            "What is owed to the server: files that wait, files that were refused, renames that are held back.",
            ["repository", "state"],
            [((*r, state), getattr(found, state)) for r, found in owed for state in ("pending", "failed", "held")],
        )
        yield _gauge("journal_bytes", "Size of what is owed.", ["repository"], [(r, f.bytes) for r, f in owed])
        oldest = [(r, f.oldest_seconds) for r, f in owed]
        yield _gauge("journal_oldest_seconds", "Age of what is owed longest.", ["repository"], oldest)
        for name, (count, help_) in _UPLOADS.items():
            yield _counter(name, help_, ["repository"], [(r, f.totals.get(count, 0)) for r, f in owed])


def _traffic() -> Iterator[Metric]:
    yield _counter(
        "requests",
        "Requests to servers. The outcome is a status, or how it failed.",
        ["server", "method", "call", "outcome"],
        [((name, *key), count) for name, server in SERVERS.items() for key, count in server.requests.items()],
    )
    yield _histogram(
        "request_seconds",
        "Time until a request had its whole answer.",
        ["server", "pool"],
        [((name, pool), one) for name, server in SERVERS.items() for pool, one in server.durations.items()],
    )
    sent = [((name,), server.sent_bytes) for name, server in SERVERS.items()]
    yield _counter("sent_bytes", "Bodies that were sent.", ["server"], sent)
    received = [((name,), server.received_bytes) for name, server in SERVERS.items()]
    yield _counter("received_bytes", "Bodies that were received.", ["server"], received)


def _labelled(counts: Mapping[str, float]) -> list[Value]:
    return [((name,), value) for name, value in counts.items()]


def _counter(name: str, help_: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    return _filled(CounterMetricFamily(f"assetfs_{name}", help_, labels=labels), values)


def _gauge(name: str, help_: str, labels: Sequence[str], values: Iterable[Value]) -> Metric:
    return _filled(GaugeMetricFamily(f"assetfs_{name}", help_, labels=labels), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[Value]) -> Metric:
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _histogram(
    name: str, help_: str, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(f"assetfs_{name}", help_, labels=labels)
    for label, histogram in values:
        family.add_metric(label, list(histogram.buckets()), histogram.total)
    return family


def renderer(parts: Sequence[Part]) -> Callable[[], bytes]:
    """What makes the text. On the loop."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Mounted(parts))
    ProcessCollector(namespace="assetfs", registry=registry)
    return lambda: generate_latest(registry)
