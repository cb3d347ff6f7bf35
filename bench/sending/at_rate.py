"""Measure a site with requests at a rate: its CPU, its billed requests, the lateness of its events."""

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
    """Return the measures of several processes with the same rate together."""
    return _figures(queues, _run(site, queues.recording, "send", size.events, size.processes), "8")


class _Run(NamedTuple):
    """The figures of each process, and the requests that SQS would have billed meanwhile."""

    of_processes: list[dict[str, Any]]
    billed: int


def _run(site: Site, queue: str, page: str, events: int, count: int) -> _Run:
    with prepared(site, queue, page, events // count, events / EVENTS_PER_S, count=count) as processes:
        before = ask(queue)["billed"]
        measured = go(processes)
        return _Run(measured, ask(queue)["billed"] - before)


@contextlib.contextmanager
def prepared(site: Site, queue: str, *arguments: object, count: int) -> Iterator[list[Ready]]:
    """Yield `count` warm processes of bench.run_traffic, under ATOMIC_REQUESTS.

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
    """Let all processes begin, and return their figures."""
    for process in processes:
        process.go()
    return [process.measured() for process in processes]


def _figures(queues: Queues, run: _Run, name: str) -> dict[str, float]:
    committed = {key: at_s for process in run.of_processes for key, at_s in process["committed"].items()}
    late_s = lateness_s(committed, ask(queues.recording, "/confirmed"))
    return {
        f"billed_{name}": run.billed / len(committed) * 1_000,
        f"late_{name}": statistics.median(late_s),
        f"latest_{name}": statistics.quantiles(late_s, n=100, method="inclusive")[-1],
    }


def lateness_s(committed: Mapping[str, float], confirmed: Mapping[str, float]) -> list[float]:
    """Return the time from commit to confirmation of each event.

    Raises:
        SystemExit: an event was not confirmed.
    """
    if committed.keys() - confirmed.keys():
        raise SystemExit("Events were not confirmed, so the figures mean nothing.")
    return [confirmed[insert_id] - at_s for insert_id, at_s in committed.items()]
