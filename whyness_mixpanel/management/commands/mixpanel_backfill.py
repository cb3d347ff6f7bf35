"""`manage.py mixpanel_backfill`: publish the rows of a table as events."""

import argparse
import json
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO, cast

from django.core.management.base import CommandError
from django.db import Error
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from whyness_events import limits
from whyness_mixpanel import backends, conf, sources
from whyness_mixpanel.management.our_command import OurCommand
from whyness_mixpanel.management.plain_errors import plain_errors
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources.backfill import SETTLED_AFTER, Backfill, Period
from whyness_mixpanel.sources.backfill_sender import NotPublished, Sender
from whyness_mixpanel.sources.sent_live import count_sent_live
from whyness_mixpanel.sources.source import Source
from whyness_ops.progress import Progress

_LATEST = timedelta(milliseconds=limits.FUTURE_MS)
_SLOWEST_RATE, _FASTEST_RATE = 0.01, 1_000_000.0


class Command(OurCommand):
    """Publish the rows of a source. Rows that were sent before count once."""

    help = "Publish the rows of a table as events; safe to run again. The last line is JSON with the counts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the source and the options."""
        there = [name for name in sources.names() if sources.get(name).is_installed]
        parser.add_argument("source", choices=there, help="the source whose rows are published")
        parser.add_argument("--since", type=_moment, help="only rows created at or after 2026-01-31[T12:00]")
        parser.add_argument("--until", type=_moment, help="only rows created before 2026-01-31[T12:00]")
        parser.add_argument(
            "--dry-run", action="store_true", help="read, check and pack the events, but send none"
        )
        parser.add_argument(
            "--rate", type=_rate, help="average number of events a second (default: unlimited)"
        )
        parser.add_argument(
            "--again", action="store_true", help="also rows that were sent live, with their request's context"
        )
        parser.add_argument("--resume", type=int, metavar="KEY", help="continue after the row with this key")

    def handle(self, **options: Any) -> None:
        """Backfill."""
        with plain_errors():
            self._handle(sources.get(options["source"]), options)

    def _handle(self, source: Source, options: dict[str, Any]) -> None:
        publish = _publish(dry_run=options["dry_run"])
        history = self._history(source)
        first, upper = _keys(source)
        after = first - 1 if options["resume"] is None else options["resume"]
        sent_live = self._sent_live(source, options, after=after, upper=upper)
        stream = cast("TextIO", self.stderr._out)  # noqa: SLF001  (without the colour of errors)
        progress = Progress(stream)
        backfill = _backfill(source, _Teller(progress, max(first, after + 1), upper), publish, options)
        finished = False
        try:
            backfill.run(after=after, upper=upper)
            finished = True
        except (NotPublished, filters.CannotFilter, conf.SettingError) as error:
            raise CommandError(f"Publishing failed: {error}") from error
        finally:
            progress.close()
            if not finished:
                self.stderr.write(f"To continue, run: {_again(options, backfill.done_key)}", style_func=str)
        about = {"source": source.name, "dry_run": options["dry_run"], "resume": backfill.done_key}
        self.stdout.write(json.dumps(about | history | sent_live | backfill.counts.as_dict()))

    def _history(self, source: Source) -> dict[str, str | None]:
        """Write which rows count as history, and return it for the last line."""
        if source.old_user is None:
            return {}
        try:
            before = sources.history_before()
        except sources.HistoryUnknown as error:
            raise CommandError(str(error)) from error
        moment = before.isoformat() if before else None
        self.stderr.write(f"HISTORY_BEFORE: {moment}", style_func=str)
        return {"history_before": moment}

    def _sent_live(
        self, source: Source, options: dict[str, Any], *, after: int, upper: int
    ) -> dict[str, int]:
        """Say how many rows were sent live, and return it for the last line; refuse them without --again."""
        until = min(filter(None, (options["until"], datetime.now(UTC) - SETTLED_AFTER)))
        count = count_sent_live(source, after=after, upper=upper, since=options["since"], until=until)
        if not count:
            return {}
        told = (
            f"{count} rows may have been sent live, with a context (page, campaign, address, browser). Their "
            "events in Mixpanel would be replaced by events without it."
        )
        if not (options["again"] or options["dry_run"]):
            raise CommandError(f"{told} Exclude them with --until, or give --again. Nothing was sent.")
        self.stderr.write(told, style_func=str)
        return {"sent_live": count}


def _keys(source: Source) -> tuple[int, int]:
    """Return the first and the last key; rows added later are not published."""
    try:
        keys = source.rows().order_by().aggregate(first=Min("pk"), last=Max("pk"))
        source.joined_rows().explain()  # reads no row, and fails if one of the tables is missing
    except Error as error:
        raise CommandError(
            f"The tables of {source.name} cannot be read ({type(error).__name__}). Check that {source.model} "
            "and the models it refers to are migrated."
        ) from error
    first, last = keys["first"], keys["last"]
    if first is None:
        return 1, 0
    if not isinstance(first, int):
        raise CommandError(f"{source.model} cannot be backfilled: its primary key must be an integer.")
    return first, last


@dataclass(frozen=True, slots=True)
class _Teller:
    """Shows the progress from key `first` to key `upper`. Each line ends with the value for `--resume`."""

    progress: Progress
    first: int
    upper: int

    def on_page(self, backfill: Backfill) -> None:
        """Show the progress."""
        published = f"keys, {backfill.counts.published} events published, --resume {backfill.done_key}"
        self.progress(backfill.read_key - self.first + 1, self.upper - self.first + 1, published)

    def note(self, text: str) -> None:
        """Show a permanent line."""
        self.progress.note(text)


def _backfill(source: Source, tell: _Teller, publish: backends.Publish, options: dict[str, Any]) -> Backfill:
    now, identity = datetime.now(UTC), conf.IDENTITY.get()
    return Backfill(
        source=source,
        period=Period(options["since"], options["until"], now - SETTLED_AFTER, now + _LATEST),
        unwanted=filters.unwanted_among,
        send=Sender(
            publish,
            identity=identity,
            rate=options["rate"],
            monotonic=time.monotonic,
            sleep=time.sleep,
            on_fault=lambda fault, pause_s: tell.note(
                f"Publishing failed: {fault}. Retrying in {pause_s} s."
            ),
        ),
        identity=identity,
        on_page=tell.on_page,
        on_trouble=lambda key, text: tell.note(f"Row {key} {text}"),
    )


def _publish(*, dry_run: bool) -> backends.Publish:
    if dry_run:
        return backends.all_of
    if not conf.ENABLED.get():
        raise CommandError(
            "Nothing was sent: the setting ENABLED is False. Set it to True, or give --dry-run."
        )
    return backends.get_publish(conf.BACKEND.get())


def _again(options: dict[str, Any], key: int) -> str:
    """Return the command that continues after `key`."""
    words = ["manage.py mixpanel_backfill", options["source"]]
    words += [f"--{name} {bound.isoformat()}" for name in ("since", "until") if (bound := options[name])]
    words += [f"--rate {options['rate']:g}"] if options["rate"] else []
    words += ["--again"] if options["again"] else []
    return " ".join([*words, f"--resume {key}"])


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:  # well-formed, but not a date, such as 31 June
        moment = None
    if moment is None:
        raise argparse.ArgumentTypeError(f"must be a date or a time such as 2026-01-31T12:00, not {text!r}")
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=timezone.get_default_timezone())


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not _SLOWEST_RATE <= rate <= _FASTEST_RATE:
        raise argparse.ArgumentTypeError(
            f"must be a number from {_SLOWEST_RATE:g} to {_FASTEST_RATE:,.0f}, not {text!r}"
        )
    return rate
