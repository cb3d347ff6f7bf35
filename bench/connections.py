"""`python -m bench.connections`: measure what a new connection for each request costs.

One process calls the handler with the same invocations of one request, in ways that take turns. The sink is
another process, with TLS 1.3 on loopback. The bundle of authorities is the real one plus the sink's.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import certifi
from tqdm import tqdm

from bench import programs
from bench.cpu import forget_heap
from bench.run_handler import Context, silence
from bench.sink import running_sink
from bench.tickets import ResumingContext
from bench.workload import invocations
from local.certificate import make_certificate
from whyness_events.delivery.mixpanel.transport import client, connection

_EVENTS = (2_000, 1)
_LIMIT_PART = 1.15
_FOR_EVER_S = 1e6
_WARM_UP = 5
_EPILOG = """example:
  .venv/bin/python -m bench.connections --rounds 50     # a short run
"""

Way = contextlib.AbstractContextManager[Any]


class _Spent(NamedTuple):
    cpu_ms: float
    wall_ms: float


class _KeptTransport(connection.Transport):
    """The old way: one connection, as long as the server keeps it."""

    def close(self) -> None:
        """Keep the connection."""


def _kept(url: str) -> Way:
    wire = connection.Wire(_FOR_EVER_S, _FOR_EVER_S)
    transport = _KeptTransport(url, wire)
    headers = {name: value for name, value in client._HEADERS.items() if name != "Connection"}  # noqa: SLF001  (what is measured)
    return patch.multiple(client, Wire=lambda *_: wire, Transport=lambda *_: transport, _HEADERS=headers)


def _ways(url: str, bundle: str) -> Mapping[str, Callable[[], Way]]:
    kept, resuming = _kept(url), ResumingContext(bundle)
    parse = connection.tls_context.__wrapped__
    return {
        "kept": lambda: kept,
        "fresh": contextlib.nullcontext,
        "fresh, with session tickets": lambda: patch.object(connection, "tls_context", lambda _: resuming),
        "fresh, bundle parsed each time": lambda: patch.object(connection, "tls_context", parse),
    }


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as directory:
        certificate = make_certificate(Path(directory))
        bundle = Path(directory) / "bundle.pem"
        bundle.write_text(Path(certifi.where()).read_text() + certificate.file.read_text())
        arguments = (str(certificate.file), str(certificate.key))
        with (
            running_sink("bench.tls_sink", *arguments) as url,
            patch.object(certifi, "where", lambda: str(bundle)),
        ):
            os.environ |= programs.environment_of(url)
            medians = {count: _measure(_ways(url, str(bundle)), count, options.rounds) for count in _EVENTS}
    print(table(medians))
    ratio = _ratio(medians[_EVENTS[0]], "fresh")
    verdict = "met" if ratio <= _LIMIT_PART else "missed"
    print(f"\nCPU of a full request, fresh / kept: {ratio:.3f}; target ≤ {_LIMIT_PART}: {verdict}")
    print(json.dumps({"rounds": options.rounds, "cpu_ratio": ratio, "medians": medians}))


def _measure(ways: Mapping[str, Callable[[], Way]], count: int, rounds: int) -> dict[str, _Spent]:
    import handler  # noqa: PLC0415  (its settings are in the environment now)

    (prepared,) = invocations(count, per_message=min(count, 100))
    runs: dict[str, list[_Spent]] = {name: [] for name in ways}
    forget_heap()
    with silence(), tqdm(total=rounds * len(ways), desc=f"{count:,} events", unit="request") as bar:
        for number in range(_WARM_UP + rounds):
            for name in _in_turn(list(ways), number):
                with ways[name]():
                    spent = _invoke(handler, prepared)
                if number >= _WARM_UP:
                    runs[name].append(spent)
                    bar.update()
    return {name: _Spent(*map(statistics.median, zip(*spents, strict=True))) for name, spents in runs.items()}


def _in_turn(names: list[str], number: int) -> list[str]:
    """Return the names in another order each time, so that the order does not matter."""
    first = number % len(names)
    return names[first:] + names[:first]


def _invoke(handler: Any, prepared: dict[str, Any]) -> _Spent:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    answer = handler.handler(prepared, Context())
    spent = _Spent((time.process_time() - cpu_s) * 1000, (time.perf_counter() - wall_s) * 1000)
    if answer["batchItemFailures"]:
        raise SystemExit("Records were handed back, so the figures mean nothing.")
    return spent


def table(medians: Mapping[int, Mapping[str, _Spent]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| events | connections | CPU, ms | to kept | time, ms | to kept |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {count:,} | {name} | {spent.cpu_ms:.2f} | {_ratio(ways, name):.2f} "
        f"| {spent.wall_ms:.2f} | {spent.wall_ms / ways['kept'].wall_ms:.2f} |"
        for count, ways in medians.items()
        for name, spent in ways.items()
    ]
    return "\n".join(lines)


def _ratio(ways: Mapping[str, _Spent], name: str) -> float:
    return ways[name].cpu_ms / ways["kept"].cpu_ms


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.connections",
        description="Measure a request on a new connection, and on a kept one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=int, default=300, help="requests for each way and size (default 300)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
