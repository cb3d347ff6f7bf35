"""Measure what events add to a page, back to back, relative to what the simplest loop adds."""

from collections.abc import Mapping

from bench.sending.sites import ATOMIC, Queues, Site
from bench.sending.size import Size

# CPU and time of a request, by the kind of page.
Pages = Mapping[str, Mapping[str, float]]


def atomic(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the measures under ATOMIC_REQUESTS."""
    return _measure(site, queues, size, "atomic", ATOMIC)


def plain(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the measures without a transaction."""
    return _measure(site, queues, size, "plain", {})


def slow(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the measure for a queue that answers after 10 ms."""
    kinds = ("nothing:1", "loop:1", "send:1")
    pages: Pages = site.run(queues.slow, "bench.run_request", size.requests, *kinds, **ATOMIC)
    return {"wall_slow": part(pages, "wall_ms", 1)}


def _measure(site: Site, queues: Queues, size: Size, mode: str, more: Mapping[str, str]) -> dict[str, float]:
    kinds = ("nothing:1", "loop:1", "send:1", "loop:10", "send:10")
    pages: Pages = site.run(queues.quick, "bench.run_request", size.requests, *kinds, **more)
    values = {f"page_{mode}_{unit}": pages["nothing:1"][unit] for unit in ("cpu_ms", "wall_ms")}
    for count in (1, 10):
        values |= {f"{kind}_{count}_{mode}": part(pages, f"{kind}_ms", count) for kind in ("cpu", "wall")}
        values |= {
            f"{way}_{count}_{mode}_{unit}": added(pages, f"{way}:{count}", unit)
            for way in ("loop", "send")
            for unit in ("cpu_ms", "wall_ms")
        }
    return values


def added(pages: Pages, kind: str, unit: str) -> float:
    """Return what a kind of page takes more than the empty page."""
    return pages[kind][unit] - pages["nothing:1"][unit]


def part(pages: Pages, unit: str, count: int) -> float:
    """Return what `send()` adds, relative to what the simplest loop adds."""
    return added(pages, f"send:{count}", unit) / added(pages, f"loop:{count}", unit)
