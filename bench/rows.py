"""Create the example site's database with many activities, for a backfill."""

import itertools
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django

from bench.workload import START_MS, events

_STARTED = datetime.fromtimestamp(START_MS / 1000, tz=UTC)
_BATCH = 5_000


def main() -> None:
    """Create `argv[1]` activities, all later than the migration, so that none is history."""
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415  (after django.setup())
    from django.db.migrations.recorder import MigrationRecorder  # noqa: PLC0415  (as above)

    from example.whyness_django.models import AuthUser  # noqa: PLC0415  (as above)

    call_command("migrate", verbosity=0)
    MigrationRecorder.Migration.objects.update(applied=_STARTED - timedelta(days=1))
    AuthUser.objects.bulk_create(AuthUser(id=number, uid=f"user-{number}") for number in range(1, 1_001))
    _make_activities(int(sys.argv[1]))


def _make_activities(count: int) -> None:
    from django.db import connection  # noqa: PLC0415  (after django.setup())

    from example.whyness_django.models import TrackerItem, TrackerLog, UserAgent  # noqa: PLC0415  (as above)

    items: dict[str, TrackerItem] = {}
    useragents: dict[str, UserAgent] = {}

    def logs() -> Iterator[Any]:
        for number, event in enumerate(events(count)):
            if event.event not in items:
                items[event.event] = TrackerItem.objects.create(title=event.event)
            if event.useragent not in useragents:
                useragents[event.useragent] = UserAgent.objects.create(useragent=event.useragent)
            yield TrackerLog(
                user_id=number % 1_000 + 1,
                item=items[event.event],
                useragent=useragents[event.useragent],
                ip=event.ip,
                method=str(event.data),
            )

    rows = logs()
    while batch := list(itertools.islice(rows, _BATCH)):
        TrackerLog.objects.bulk_create(batch)
    TrackerLog.objects.update(create_date=_STARTED)
    if connection.vendor == "postgresql":  # it would begin by itself, while something is measured
        connection.cursor().execute("VACUUM ANALYZE")


if __name__ == "__main__":
    main()
