"""Measure the backfill or the simplest loop, in this process; print a line of JSON."""

import contextlib
import io
import itertools
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import django

from bench.peak_memory import forget_peak_kib, peak_kib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUEUE = "/123456789012/bench"


def main() -> None:
    """Measure `argv[1]`, `backfill` or `loop`, over at most `argv[2]` rows."""
    django.setup()
    from whyness_mixpanel.sources.backfill import PAGE_ROWS  # noqa: PLC0415  (after django.setup())

    way, row_count = sys.argv[1], int(sys.argv[2])
    run: Callable[[int], int] = {"backfill": _backfill, "loop": _loop}[way]
    run(1)  # warm up: imports, client, connection
    before_kib = forget_peak_kib()
    with _counting_queries() as query_count:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        events = run(row_count)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    figures = {
        "events": events,
        "events_per_s": events / wall_s,
        "cpu_s_per_100k": cpu_s / events * 100_000,
        "peak_over_idle_mib": (peak_kib() - before_kib) / 1024,
        "queries_per_page": next(query_count) / -(-row_count // PAGE_ROWS),
    }
    print(json.dumps(figures))


@contextlib.contextmanager
def _counting_queries() -> "Iterator[Iterator[int]]":
    """Yield an iterator whose next value is the number of queries."""
    from django.db import connection  # noqa: PLC0415  (after django.setup())

    count = itertools.count()

    def execute(run: Any, *arguments: Any) -> Any:
        next(count)
        return run(*arguments)

    with connection.execute_wrapper(execute):
        yield count


def _backfill(row_count: int) -> int:
    from django.core.management import call_command  # noqa: PLC0415  (after django.setup())
    from django.db.models import Max  # noqa: PLC0415  (as above)

    from example.whyness_django.models import TrackerLog  # noqa: PLC0415  (as above)

    last: int = TrackerLog.objects.aggregate(last=Max("pk"))["last"]
    out = io.StringIO()
    call_command("mixpanel_backfill", "activity", resume=last - row_count, stdout=out, stderr=io.StringIO())
    published: int = json.loads(out.getvalue())["published"]
    return published


def _loop(row_count: int) -> int:
    """Send in the simplest way, a message per row."""
    import boto3  # noqa: PLC0415  (as above)

    from example.whyness_django.models import TrackerLog  # noqa: PLC0415  (as above)

    sqs = boto3.client("sqs", region_name="us-east-1")
    url = os.environ["AWS_ENDPOINT_URL_SQS"] + QUEUE
    rows = TrackerLog.objects.select_related("item", "useragent").order_by("pk")
    sent = 0
    for row in itertools.islice(rows.iterator(), row_count):
        event = {
            "insert_id": str(row.pk),
            "event": row.item.title,
            "user": str(row.user_id),
            "time": int(row.create_date.timestamp()) * 1000,
            "ip": row.ip,
            "useragent": row.useragent.useragent,
            "data": row.method,
        }
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
        sent += 1
    return sent


if __name__ == "__main__":
    main()
