"""`manage.py mixpanel_audit --repair`: publishes the rows whose events are missing without a trace."""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from whyness_mixpanel import backends, conf
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.sources.backfill import SETTLED_AFTER
from whyness_mixpanel.sources.backfill_sender import NotPublished, Sender
from whyness_mixpanel.sources.republish import republish
from whyness_mixpanel.sources.source import Source
from whyness_ops import OpsError, Stop
from whyness_ops.errors import Stopped, UsageFault


def add_repair(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("repair")
    group.add_argument(
        "--repair", action="store_true", help="say which missing events without a trace can be published"
    )
    group.add_argument(
        "--publish",
        action="store_true",
        help="publish them, wait for them (at most --settled) and audit their days again",
    )
    group.add_argument(
        "--yes", action="store_true", help="publish more than 1,000 events, or more than 1 %% of a day, too"
    )


def check_options(options: argparse.Namespace) -> None:
    """Raise, before hours are spent, if the options do not fit or nothing can be published.

    Raises:
        UsageFault: so it is.
    """
    if not options.repair and (options.publish or options.yes):
        raise UsageFault("--publish and --yes need --repair.")
    if options.publish and not conf.ENABLED.get():
        raise UsageFault("The setting ENABLED is False, so that nothing can be published. Set it to True.")


def publish_rows(
    chosen: Sequence[Source], options: argparse.Namespace, stop: Stop, note: Callable[[str], None]
) -> Callable[[frozenset[tuple[str, str]], Counter[str]], None]:
    """Return what publishes the events of some names and insert ids; in a dry run it only counts them."""

    def publish(wanted: frozenset[tuple[str, str]], counts: Counter[str]) -> None:
        settled = datetime.now(UTC) - SETTLED_AFTER
        try:
            send = _sender(stop, note, is_dry=not options.publish)
            republish(chosen, wanted, send, counts, settled=settled)
        except (NotPublished, filters.CannotFilter, conf.SettingError) as error:
            raise OpsError(f"Publishing failed: {error}") from error

    return publish


def _sender(
    stop: Stop, note: Callable[[str], None], *, is_dry: bool
) -> Callable[[Sequence[str]], Mapping[int, str]]:
    sender = Sender(
        backends.all_of if is_dry else backends.get_publish(conf.BACKEND.get()),
        identity=conf.IDENTITY.get(),
        rate=None,
        monotonic=time.monotonic,
        sleep=stop.wait,
        on_fault=lambda fault, pause_s: note(f"Publishing failed: {fault}. Retrying in {pause_s} s."),
    )

    def send(events: Sequence[str]) -> Mapping[int, str]:
        if stop.is_set():
            raise Stopped("Stopped. Not all was published: run the command again, it counts once.")
        return sender(events)

    return send
