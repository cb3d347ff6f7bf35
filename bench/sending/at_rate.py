"""A site whose pages are asked at a rate: its CPU, its bill, and how late its events are confirmed."""

import contextlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench.sending.sites import ATOMIC, Queues, Ready, Site
from bench.sending.size import Size
from bench.sink import ask

EVENTS_PER_S = 50


def one(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the measures of one process."""
    runs = {page: _run(site, queues.recording, page, size.events, 1) for page in ("nothing", "loop", "send")}
    cpu_s = {page: run.of_processes[0]["cpu_s"] for page, run in runs.items()}
    part = (cpu_s["send"] - cpu_s["nothing"]) / (cpu_s["loop"] - cpu_s["nothing"])
    return {"cpu_at_rate": part} | _figures(queues, runs["send"], "1")


def eight(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the measures of several processes, which together are asked as often."""
    return _figures(queues, _run(site, queues.recording, "send", size.events, size.processes), "8")


class _Run(NamedTuple):
    """What each process measured, and how many requests SQS would have billed meanwhile."""

    of_processes: list[dict[str, Any]]
    billed: int


def _run(site: Site, queue: str, page: str, events: int, count: int) -> _Run:
    with prepared(site, queue, page, events // count, events / EVENTS_PER_S, count=count) as processes:
        before = ask(queue)["billed"]
        measured = go(processes)
        return _Run(measured, ask(queue)["billed"] - before)


@contextlib.contextmanager
def prepared(site: Site, queue: str, *arguments: object, count: int) -> Iterator[list[Ready]]:
    """Give `count` processes of bench.run_traffic, under ATOMIC_REQUESTS, that have all warmed up.

    Args:
        site: on which database.
        queue: of the sink.
        arguments: of the program, without the seed.
        count: of processes.
    """
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(site.ready(queue, "bench.run_traffic", *arguments, seed, **ATOMIC))
            for seed in range(count)
        ]
        for process in processes:
            process.wait()
        yield processes


def go(processes: Sequence[Ready]) -> list[dict[str, Any]]:
    """Let all begin, and return what they measured."""
    for process in processes:
        process.go()
    return [process.measured() for process in processes]


def _figures(queues: Queues, run: _Run, name: str) -> dict[str, float]:
    committed = {key: at_s for each in run.of_processes for key, at_s in each["committed"].items()}
    late_s = lateness_s(committed, ask(queues.recording, "/confirmed"))
    return {
        f"billed_{name}": run.billed / len(committed) * 1_000,
        f"late_{name}": statistics.median(late_s),
        f"latest_{name}": statistics.quantiles(late_s, n=100, method="inclusive")[-1],
    }


def lateness_s(committed: Mapping[str, float], confirmed: Mapping[str, float]) -> list[float]:
    """Return how long after its commit each event was confirmed.

    Raises:
        SystemExit: one was not.
    """
    if committed.keys() - confirmed.keys():
        raise SystemExit("events were not confirmed: the figures would mean nothing")
    return [confirmed[insert_id] - at_s for insert_id, at_s in committed.items()]
