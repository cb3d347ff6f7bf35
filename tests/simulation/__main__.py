"""`python -m tests.simulation --seeds 10000 --days 1`: many runs, then one line of JSON."""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.event_source import NO_ANSWER, NO_FAULT
from tests.simulation.result import Result
from tests.simulation.scenario import make_scenario
from tests.simulation.shrink import shortest, told
from tests.simulation.simulation import Simulation
from tests.simulation.trouble import KINDS
from whyness_events.outcomes import Reason

_TOLD_EVERY = 500
_SHOWN_FAILURES = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; return 0 where every promise was kept, else 1."""
    options = _read(arguments)
    seeds = range(options.first, options.first + options.seeds)
    results = list(_progress(_run_all(seeds, options.days, options.processes), options.seeds))
    failing = [result.seed for result in results if result.violations]
    for seed in failing[:_SHOWN_FAILURES]:
        print(told(*shortest(make_scenario(seed, options.days))))  # noqa: T201  (it is a command)
    print(json.dumps(summary(results, failing, options.days)))  # noqa: T201  (as above)
    return 1 if failing else 0


def summary(results: Sequence[Result], failing: Sequence[int], days: float) -> dict[str, object]:
    """Return the last line: how often each outcome met each fault, and which pairs never did."""
    pairs: Counter[tuple[str, str]] = sum((result.pairs for result in results), Counter())
    outcomes = [*map(str, Reason), NO_ANSWER]
    table = {outcome: {kind: pairs[outcome, kind] for kind in (NO_FAULT, *KINDS)} for outcome in outcomes}
    return {
        "seeds": len(results),
        "days": days,
        "events": sum(result.events for result in results),
        "invocations": sum(result.invocations for result in results),
        "failing_seeds": list(failing),
        "never_together": [f"{o} x {k}" for o in outcomes for k in KINDS if not pairs[o, k]],
        "outcome_by_fault": table,
    }


def run_seed(seed: int, days: float) -> Result:
    """Run one seed; the history stays behind, for it is long and can be had again."""
    result = Simulation(make_scenario(seed, days)).run()
    result.history.clear()
    return result


def _run_all(seeds: Sequence[int], days: float, processes: int) -> Iterator[Result]:
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(run_seed, days=days), seeds, chunksize=20)


def _progress(results: Iterable[Result], count: int) -> Iterator[Result]:
    for number, result in enumerate(results, 1):
        if number % _TOLD_EVERY == 0 or result.violations:
            verdict = f"seed {result.seed} broke a promise" if result.violations else "all well"
            print(f"{number} of {count}: {verdict}", file=sys.stderr)  # noqa: T201  (as above)
        yield result


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False, prog="python -m tests.simulation", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--days", type=float, default=1.0, help="virtual days of each (default 1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one per core")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
