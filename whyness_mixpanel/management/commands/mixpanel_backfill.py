"""`manage.py mixpanel_backfill`: publish the rows of a table as the events they are."""

import argparse
import functools
import json
import time
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from whyness_mixpanel import backends, conf, privacy, sources
from whyness_mixpanel.sources.backfill import Backfill, Period
from whyness_mixpanel.sources.progress import Progress
from whyness_mixpanel.sources.sender import NotPublished, Sender
from whyness_mixpanel.sources.source import Source

# Younger rows may still be on their way from their call site, or behind a transaction that is under way.
SETTLED_AFTER = timedelta(minutes=15)
_INVALID_SHOWN = 10


class Command(BaseCommand):
    """Publish the rows of a source. Twice, or over rows that were sent live, they count once."""

    help = "Publish the rows of a table as events; the last line is JSON with the counts. May be run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the source and the options."""
        parser.add_argument("source", choices=sources.names(), help="whose rows")
        parser.add_argument("--since", type=_moment, help="only rows created at or after: 2026-01-31[T12:00]")
        parser.add_argument("--until", type=_moment, help="only rows created before")
        parser.add_argument(
            "--history", action="store_true", help="only the rows of the app's older versions"
        )
        parser.add_argument("--dry-run", action="store_true", help="read, check and pack, but send nothing")
        parser.add_argument("--rate", type=_positive, help="events a second on average (default: unlimited)")
        parser.add_argument("--resume", type=int, default=0, metavar="KEY", help="go on after this key")

    def handle(self, **options: Any) -> None:
        """Backfill."""
        source = sources.get(options["source"])
        first, upper = _keys(source)
        progress = Progress(
            self.stderr, first=max(first, options["resume"] + 1), upper=upper, monotonic=time.monotonic
        )
        backfill = _backfill(source, progress, options)
        finished = False
        try:
            backfill.run(after=options["resume"], upper=upper)
            finished = True
        except (NotPublished, privacy.CannotFilter, conf.SettingError) as error:
            raise CommandError(f"Not published: {error}") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None
        finally:
            progress.close()
            if not finished:
                self.stderr.write(f"To go on: {_again(options, backfill.done_key)}", style_func=str)
        about = {"source": source.name, "dry_run": options["dry_run"], "resume": backfill.done_key}
        self.stdout.write(json.dumps(about | backfill.counts.as_dict()))


def _keys(source: Source) -> tuple[int, int]:
    """Return the first key and the last, which stays the last however many rows come."""
    try:
        found = source.rows().order_by().aggregate(first=Min("pk"), last=Max("pk"))
    except LookupError as error:
        raise CommandError(f"{source.name}: {error}") from error
    first, last = found["first"] or 0, found["last"] or 0
    if not isinstance(first, int):
        raise CommandError(f"{source.model}: its primary key is no whole number, so that no page has an end.")
    return first, last


def _backfill(source: Source, progress: Progress, options: dict[str, Any]) -> Backfill:
    cut_over = _cut_over(source, history=options["history"])
    invalid_shown = iter(range(_INVALID_SHOWN))

    def on_invalid(key: int, reason: str) -> None:
        if next(invalid_shown, None) is not None:
            progress.note(f"Row {key} makes no event: {reason}")

    def on_page(backfill: Backfill) -> None:
        progress.show(key=backfill.done_key, read_key=backfill.read_key, published=backfill.counts.published)

    return Backfill(
        source=source,
        period=_period(cut_over, options),
        encode=functools.partial(source.encode, cut_over=cut_over),
        keep=privacy.filter_suppressed,
        send=Sender(
            _publish(dry_run=options["dry_run"]),
            rate=options["rate"],
            monotonic=time.monotonic,
            sleep=time.sleep,
            on_fault=lambda fault, pause_s: progress.note(
                f"Publishing fails: {fault}. Again in {pause_s} s."
            ),
        ),
        identity=conf.IDENTITY.get(),
        on_page=on_page,
        on_invalid=on_invalid,
    )


def _cut_over(source: Source, *, history: bool) -> datetime | None:
    if source.old_user is None:
        if history:
            raise CommandError(f"{source.name}: older versions of the app sent nothing from this table.")
        return None
    try:
        return sources.cut_over()
    except sources.NotMigrated as error:
        raise CommandError(str(error)) from error


def _period(cut_over: datetime | None, options: dict[str, Any]) -> Period:
    since, until = options["since"], options["until"]
    if options["history"]:
        until = min(filter(None, (until, cut_over)))
    elif cut_over is not None:
        since = max(filter(None, (since, cut_over)))
    return Period(since=since, until=until, settled=timezone.now() - SETTLED_AFTER)


def _publish(*, dry_run: bool) -> backends.Publish:
    if dry_run:
        return backends.all_of
    if not conf.ENABLED.get():
        raise CommandError("ENABLED is False, so nothing may be sent. --dry-run sends nothing.")
    return backends.get_publish(conf.BACKEND.get())


def _again(options: dict[str, Any], key: int) -> str:
    """Return the command line that goes on after `key`."""
    words = ["manage.py mixpanel_backfill", options["source"]]
    words += [f"--{name} {found.isoformat()}" for name in ("since", "until") if (found := options[name])]
    words += ["--history"] if options["history"] else []
    words += [f"--rate {options['rate']:g}"] if options["rate"] else []
    return " ".join([*words, f"--resume {key}"])


def _moment(text: str) -> datetime:
    found = parse_datetime(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: write a date or a time such as 2026-01-31T12:00")
    naive = timezone.is_naive(found)
    return timezone.make_aware(found) if naive and settings.USE_TZ else found


def _positive(text: str) -> float:
    found = float(text)
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: allowed is a number above 0")
    return found
