"""Tries what publishing needs, and says in plain words what is wrong and how to mend it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError
from django.apps import apps
from django.db import Error, connections, router, transaction

from whyness_mixpanel import checks, conf, sqs_hosts
from whyness_mixpanel.diagnosis.direct import mixpanel
from whyness_mixpanel.diagnosis.finding import Finding, State, not_tried
from whyness_mixpanel.diagnosis.queue import ROLE, queue_and_clock
from whyness_mixpanel.privacy.suppression import Suppression, suppressed_among
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.insert import Row, insert
from whyness_mixpanel.publishing.lateness import LATE_S, oldest_pending_s
from whyness_mixpanel.tables import Outbox

if TYPE_CHECKING:
    from django.core.checks import CheckMessage

# The names that clicks are sent under, now and by older versions: with them a bare key is the insert id too.
CLICK_EVENTS = frozenset({"User click", "Prospect click", "Contact click"})

# Warnings of the system checks, for the site runs; but no event leaves it.
_STOPS_ALL = frozenset(f"whyness_mixpanel.{name}" for name in ("W001", "W004", "W005", "W011"))

# The reason of the row that is written to try the outbox.
_PROBE = "mixpanel_check"
_TITLES_MODEL = "whyness_django.TrackerItem"


def diagnose(client: Callable[[], Any] | None = None) -> list[Finding]:
    """Return what is found, in the order in which it should be mended.

    Args:
        client: returns a boto3 SQS client; None builds the one of the settings.
    """
    settings = _settings()
    database = [_outbox(), _suppressed(), _titles()]
    if settings.state is State.WRONG:
        names = ("mixpanel",) if _is_direct() else ()
        return [settings, *not_tried("mend the settings first", *names), *database]
    if _is_direct():
        return [settings, mixpanel(), *database]
    if conf.BACKEND.get() != "sqs" or not conf.QUEUE_URL.get():
        why = "there is no QUEUE_URL" if conf.BACKEND.get() == "sqs" else f"BACKEND is {conf.BACKEND.get()}"
        return [settings, *not_tried(why), *database]
    needed = [_region(), _credentials()]
    wrong = [each.what for each in needed if each.state is State.WRONG]
    if wrong:
        why = f"mend first: {' and '.join(wrong)}"
        return [settings, *needed, *not_tried(why, "queue", "clock"), *database]
    return [settings, *needed, *queue_and_clock(client), *database]


def _settings() -> Finding:
    found: list[CheckMessage] = [*checks.check_settings(None), *checks.check_discarding_backend(None)]
    if not found:
        return Finding("settings", State.OK, "each can be read, and no two contradict each other")
    serious = any(message.is_serious() or message.id in _STOPS_ALL for message in found)
    return Finding(
        "settings",
        State.WRONG if serious else State.OK,
        " ".join(message.msg for message in found),
        " ".join(message.hint or "" for message in found),
    )


def _is_direct() -> bool:
    try:
        return conf.BACKEND.get() == "mixpanel"
    except conf.SettingError:
        return False


def _region() -> Finding:
    named, in_force = (
        sqs_hosts.region_of(conf.QUEUE_URL.get()),
        conf.region() or boto3.session.Session().region_name,
    )
    if not in_force:
        return Finding("region", State.WRONG, "nobody says which", "Set REGION to the region of the queue.")
    return Finding("region", State.OK, f"{in_force}{', as the queue' if named == in_force else ''}")


def _credentials() -> Finding:
    remedy = f"Run the site under a role of AWS, or set the variables that boto3 reads. {ROLE}"
    try:
        found = boto3.session.Session().get_credentials()
    except (BotoCoreError, OSError) as error:
        return Finding("credentials", State.WRONG, f"boto3 fails: {type(error).__name__}", remedy)
    if found is None:
        return Finding("credentials", State.WRONG, "boto3 finds none", remedy)
    return Finding("credentials", State.OK, f"boto3 finds some ({found.method})")


def _outbox() -> Finding:
    try:
        allowed = [alias for alias in connections if router.allow_migrate_model(alias, Outbox)]
        missing = sorted(set(allowed).difference(outbox.aliases()))
    except Error as error:
        return Finding("outbox", State.NOT_TRIED, f"the database says {type(error).__name__}")
    if not missing:
        return _outboxes(allowed)
    commands = " and ".join(f"manage.py migrate whyness_mixpanel --database={alias}" for alias in missing)
    return Finding(
        "outbox",
        State.WRONG,
        f"no table in {', '.join(missing)}: events there are held in memory, and lost where the process ends",
        f"Run {commands}; or let a database router say that the app does not belong there.",
    )


def _outboxes(aliases: Sequence[str]) -> Finding:
    """Write a row into each outbox, mark and delete it, and see how long the oldest has been waiting."""
    try:
        for alias in aliases:
            _try_a_row(alias)
        late = [alias for alias in aliases if (oldest_pending_s(alias) or 0) > LATE_S]
    except Error as error:
        return Finding(
            "outbox",
            State.WRONG,
            f"a row cannot be written, marked and deleted: {type(error).__name__}",
            "Look at the database's log, and at the rights of the site's role.",
        )
    if late:
        found = f"in {', '.join(late)} an event has been waiting for more than 10 minutes"
        return Finding("outbox", State.WRONG, found, "Look at the queue; with RELAY command, run a drain.")
    return Finding("outbox", State.OK, "each database takes a row, and none waits for long")


def _try_a_row(alias: str) -> None:
    """Do with a row what becomes of each, and roll it back."""
    with transaction.atomic(using=alias):
        written = insert([Row("{}", conf.IDENTITY.get(), "", _PROBE)], connections[alias])
        rows = outbox.parked(alias).filter(id__gte=written, reason=_PROBE)
        rows.update(attempts=1)
        rows._raw_delete(alias)  # noqa: SLF001  (no signal of the site's hears of it)
        transaction.set_rollback(True, using=alias)


def _suppressed() -> Finding:
    try:
        suppressed_among({"0"}, router.db_for_write(Suppression))
    except Error as error:
        return Finding(
            "suppressed",
            State.WRONG,
            f"the list of suppressed users cannot be read: {type(error).__name__}",
            "Run manage.py migrate whyness_mixpanel, and look at the rights of the site's role.",
        )
    return Finding("suppressed", State.OK, "the list of suppressed users can be read")


def _titles() -> Finding:
    try:
        model = apps.get_model(_TITLES_MODEL)
        titles = set(model._base_manager.filter(title__in=CLICK_EVENTS).values_list("title", flat=True))  # noqa: SLF001  (Django's public API for models)
    except LookupError:
        return Finding("titles", State.OK, f"there are none: {_TITLES_MODEL} is not installed")
    except Error as error:
        return Finding("titles", State.NOT_TRIED, f"the database says {type(error).__name__}")
    if not titles:
        return Finding("titles", State.OK, "no activity is titled as a click")
    return Finding(
        "titles",
        State.WRONG,
        f"activities are titled as clicks: {', '.join(sorted(titles))}",
        "Rename them: an activity and a click of the same key would count as one event.",
    )
