"""`python -m bench.people`: measure passes over people's profiles, and a loop with `json.dumps` alone."""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

from bench.page import write_block
from bench.peak_memory import forget_peak_kib, peak_kib
from bench.targets import Target

_ROWS = (
    Target("queries", "queries of a pass over unchanged rows", limit=160),
    Target("cpu_to_loop", "its CPU / the same loop with `json.dumps` alone", limit=3.0),
    Target("peak_over_idle_mib", "its memory over idle", "MiB", 64.0),
    Target("requests", "requests of the first pass", limit=110),
    Target("cpu_s", "CPU of a pass over unchanged rows", "s"),
    Target("first_cpu_s", "CPU of the first pass", "s"),
)
_PAGE_ROWS = 2_000


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["EXAMPLE_DATABASE"] = str(Path(directory) / "people.sqlite3")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
        django.setup()
        # Each in a process of its own, so that no memory of an earlier step counts as idle.
        steps = (lambda: _make_people(options.rows), _first_pass, _unchanged_passes)
        values = {key: value for step in steps for key, value in _apart(step).items()}
    lines = ["| measure | value | target | verdict |", "|---|---|---|---|"]
    for row in _ROWS:
        shown = f"{values[row.key]:,.3g} {row.unit}".strip()
        lines.append(f"| {row.title} | {shown} | {row.wanted} | {row.verdict(values[row.key])} |")
    text = "\n".join(lines)
    print(text)
    if options.write_docs:
        write_block("people", f"{options.rows:,} rows in SQLite.\n\n{text}")
    print(json.dumps({"rows": options.rows, "values": values}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.people",
        description="Measure passes over the profiles of a site.",
    )
    parser.add_argument("--rows", type=int, default=100_000, help="people (default 100000)")
    parser.add_argument("--write-docs", action="store_true", help="update docs/reference/bench.md")
    return parser.parse_args()


def _apart(step: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return what a step returns, in a forked process."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=lambda: theirs.send(step()))
    process.start()
    theirs.close()
    values: dict[str, float] = ours.recv()
    process.join()
    return values


def _make_people(count: int) -> dict[str, float]:
    from django.core.management import call_command  # noqa: PLC0415  (after django.setup())

    from example.whyness_django.models import AuthUser  # noqa: PLC0415  (as above)

    call_command("migrate", verbosity=0)
    AuthUser.objects.bulk_create(
        (
            AuthUser(id=key, uid=f"user-{key}", name=f"Ada Lovelace {key}", email=f"user-{key}@example.org")
            for key in range(2, count + 2)
        ),
        batch_size=5_000,
    )
    return {}


def _build(row: Any) -> dict[str, Any]:
    return {
        "$name": row.name,
        "$email": row.email,
        "uid": row.uid,
        "xref": str(row.xref),
        "plan": "pro",
        "is_staff": False,
    }


def _profile() -> Any:
    from whyness_mixpanel.people import Profile  # noqa: PLC0415  (after django.setup())

    return Profile(name="user", model="whyness_django.AuthUser", build=_build, personal=("$name", "$email"))


def _pass(profile: Any) -> int:
    """Make a pass; return how many requests it made."""
    from whyness_mixpanel.people.delivery import Delivery  # noqa: PLC0415  (after django.setup())
    from whyness_mixpanel.people.engage import Reply  # noqa: PLC0415  (as above)
    from whyness_mixpanel.people.state import Sender  # noqa: PLC0415  (as above)
    from whyness_mixpanel.people.sync import sync  # noqa: PLC0415  (as above)
    from whyness_mixpanel.people.update import Project  # noqa: PLC0415  (as above)
    from whyness_mixpanel.privacy import filters  # noqa: PLC0415  (as above)

    request_sizes: list[int] = []

    def post(body: bytes) -> Reply:
        request_sizes.append(len(body))
        return Reply(200, b'{"status":1,"error":null}')

    project, sender = Project("http://127.0.0.1:1", "token", "distinct_id"), Sender("bench")
    delivery = Delivery(project=project, sender=sender, post=post)
    done = sync([profile], project=project, sender=sender, delivery=delivery, scrub=filters.scrubber().scrub)
    if done.ended or done.counts["unsure"]:
        raise SystemExit("The pass ended early.")
    return len(request_sizes)


def _first_pass() -> dict[str, float]:
    begun_s = time.process_time()
    return {"requests": _pass(_profile()), "first_cpu_s": time.process_time() - begun_s}


def _unchanged_passes() -> dict[str, float]:
    """Passes over rows that did not change, and the loop, in turns: the best of each counts."""
    from django.db import connection  # noqa: PLC0415  (after django.setup())

    profile, queries = _profile(), list[str]()

    def count(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        queries.append(sql)
        return execute(sql, *arguments)

    list(profile.rows()[:1])  # Django compiles its first query
    idle_kib = forget_peak_kib()
    with connection.execute_wrapper(count):
        if _pass(profile):
            raise SystemExit("Rows that did not change were sent.")
    values = {"queries": float(len(queries)), "peak_over_idle_mib": (peak_kib() - idle_kib) / 1024}
    turns = [(_cpu_s(lambda: _pass(profile)), _cpu_s(lambda: _loop(profile))) for _ in range(3)]
    cpu_s, loop_cpu_s = map(min, zip(*turns, strict=True))
    return {**values, "cpu_s": cpu_s, "cpu_to_loop": cpu_s / loop_cpu_s}


def _loop(profile: Any) -> None:
    """Read and build all rows in the same pages, and write each as JSON."""
    rows, last = profile.rows(), 0
    while some := list(rows.filter(pk__gt=last)[:_PAGE_ROWS]):
        for row in some:
            json.dumps(profile.build(row))
        last = some[-1].pk


def _cpu_s(work: Callable[[], object]) -> float:
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


if __name__ == "__main__":
    main()
