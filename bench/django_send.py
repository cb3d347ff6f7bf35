"""`python -m bench.django_send`: measure what `send()` costs a Django page, the bill and a database."""

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.page import write_block
from bench.sending import added, at_rate, batches, claims, drains
from bench.sending.measures import MEASURES, Values, measures_table, pages_table, publisher_table, verdict
from bench.sending.sites import Queues, Site, running_queues, running_sites
from bench.sending.size import QUICK, Size

_EPILOG = """examples:
  .venv/bin/python -m bench.django_send
  .venv/bin/python -m bench.django_send --only atomic,claim   # only these steps
  .venv/bin/python -m bench.django_send --quick               # check that it works; the figures mean nothing
"""
# A step measures once, on one site, and returns figures by their keys.
Step = Callable[[Site, Queues, Size], Mapping[str, float]]
_STEPS: Mapping[str, Step] = {
    "atomic": added.atomic,
    "plain": added.plain,
    "slow": added.slow,
    "one": at_rate.one,
    "eight": at_rate.eight,
    "claim": claims.claim,
    "drain": drains.drain,
    "publisher": batches.publisher,
    "lines": batches.lines,
}


def main() -> None:
    """Measure, print tables, and print one line of JSON."""
    options = _options()
    size = QUICK if options.quick else replace(Size(), rounds=options.rounds)
    with (
        tempfile.TemporaryDirectory() as directory,
        running_queues() as queues,
        running_sites(Path(directory), queues.quick) as (sites, skipped),
    ):
        values = _medians(sites[-1:] if options.quick else sites, queues, size, options.only)
    text = "\n\n".join((measures_table(values), pages_table(values), publisher_table(values)))
    print(f"\n{text}\n")
    print(*(f"skipped: {reason}" for reason in skipped), sep="\n")
    if options.write_docs:
        write_block("send", f"Medians of {size.rounds} rounds.\n\n{text}")
    print(json.dumps({"size": asdict(size), "skipped": skipped, "rows": _rows(values), "values": values}))


def _medians(sites: Sequence[Site], queues: Queues, size: Size, only: Sequence[str]) -> Values:
    """Measure everything once in each round, and return the medians by database."""
    runs: dict[str, dict[str, list[float]]] = {site.database: defaultdict(list) for site in sites}
    with tqdm(total=size.rounds * len(only) * len(sites), desc="measuring", unit="step") as bar:
        for _ in range(size.rounds):
            for name in only:
                for site in sites:
                    for key, value in _STEPS[name](site, queues, size).items():
                        runs[site.database][key].append(value)
                    bar.update()
    return {
        database: {key: statistics.median(figures) for key, figures in by_key.items()}
        for database, by_key in runs.items()
    }


def _rows(values: Values) -> list[dict[str, Any]]:
    """Return the rows of the table for JSON."""
    return [
        {
            "key": target.key,
            "name": target.title,
            "unit": target.unit,
            "target": target.wanted,
            **{database: figures.get(target.key) for database, figures in values.items()},
            "verdict": verdict(target, [figures.get(target.key) for figures in values.values()]),
        }
        for target in MEASURES
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.django_send",
        description="Measure what send() costs, compared with json.dumps and send_message for each event.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=int, default=Size().rounds, help="rounds; the result is their median (default 5)")
    add(
        "--quick",
        action="store_true",
        help="run everything once with few events, on one database, to check that it works",
    )
    add(
        "--only",
        type=_steps,
        default=list(_STEPS),
        help=f"steps to run, from {','.join(_STEPS)} (default all)",
    )
    add("--write-docs", action="store_true", help="update the tables of docs/reference/bench.md")
    return parser.parse_args()


def _steps(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - _STEPS.keys():
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; use some of {', '.join(_STEPS)}"
        )
    return names


if __name__ == "__main__":
    main()
