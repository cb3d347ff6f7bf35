"""Leave `argv[1]` dead rows in PostgreSQL's outbox, and hold a snapshot that keeps them.

Prints `ready`. The snapshot ends with standard input.
"""

import sys

from django.db import connection

from bench.django_site import configure


def main() -> None:
    """Write rows, open a snapshot, delete them, wait."""
    configure()
    from whyness_mixpanel.models import Outbox  # noqa: PLC0415  (after django.setup())

    rows = (Outbox(encoded="{}", identity="distinct_id") for _ in range(int(sys.argv[1])))
    Outbox.objects.bulk_create(rows, batch_size=1_000)
    snapshot = connection.copy()
    with snapshot.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(f"SELECT 1 FROM {Outbox._meta.db_table} LIMIT 1")  # noqa: S608, SLF001  (the model's own name; Django's public API)
    Outbox.objects.all().delete()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
