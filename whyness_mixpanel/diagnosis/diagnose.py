"""Checks what publishing needs, and says what is wrong and how to fix it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError
from django.apps import apps
from django.db import Error, connections, router, transaction

from whyness_mixpanel import checks, conf, sqs_hosts
from whyness_mixpanel.diagnosis.canary import profiles
from whyness_mixpanel.diagnosis.direct import mixpanel
from whyness_mixpanel.diagnosis.finding import Finding, State, skipped
from whyness_mixpanel.diagnosis.queue import ROLE, queue_and_clock
from whyness_mixpanel.privacy.suppression import Suppression, suppressed_among
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.insert import Row, insert
from whyness_mixpanel.publishing.lateness import LATE_S, oldest_pending_s
from whyness_mixpanel.tables import Outbox

if TYPE_CHECKING:
    from django.core.checks import CheckMessage

# The names of click events, now and in older versions: their insert ids are bare keys, like activities'.
CLICK_EVENTS = frozenset({"User click", "Prospect click", "Contact click"})

# System checks that are warnings, because the site runs; but no event leaves it.
_STOPS_ALL = frozenset(f"whyness_mixpanel.{name}" for name in ("W001", "W004", "W005", "W011"))

# The reason of the row that is written to check the outbox.
_PROBE = "mixpanel_check"
_TITLES_MODEL = "whyness_django.TrackerItem"


def diagnose(client: Callable[[], Any] | None = None) -> list[Finding]:
    """Return the findings, in the order in which they should be fixed.

    Args:
        client: returns a boto3 SQS client; None builds the one of the settings.
    """
    settings = _settings()
    database = [_outbox(), _suppressed(), _titles()]
    if settings.state is State.WRONG:
        names = ("mixpanel",) if _is_direct() else ()
        return [settings, *skipped("Fix first: settings.", *names), *database]
    return [settings, *_way(client), *profiles(), *database]


def _way(client: Callable[[], Any] | None) -> list[Finding]:
    """Return what is found on the way to the queue, or to Mixpanel."""
    if _is_direct():
        return [mixpanel()]
    if conf.BACKEND.get() != "sqs" or not conf.QUEUE_URL.get():
        is_sqs = conf.BACKEND.get() == "sqs"
        why = "QUEUE_URL is not set." if is_sqs else f"The backend {conf.BACKEND.get()} uses no queue."
        return skipped(why)
    needed = [_region(), _credentials()]
    wrong = [finding.what for finding in needed if finding.state is State.WRONG]
    if wrong:
        why = f"Fix first: AWS {' and '.join(wrong)}."
        return [*needed, *skipped(why, "queue", "clock")]
    return [*needed, *queue_and_clock(client)]


def _settings() -> Finding:
    messages: list[CheckMessage] = [*checks.check_settings(None), *checks.check_discarding_backend(None)]
    if not messages:
        return Finding("settings", State.OK, "All settings are valid and consistent.")
    serious = any(message.is_serious() or message.id in _STOPS_ALL for message in messages)
    return Finding(
        "settings",
        State.WRONG if serious else State.OK,
        " ".join(message.msg for message in messages),
        " ".join(message.hint or "" for message in messages),
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
        return Finding("region", State.WRONG, "No region is configured.", "Set REGION to the queue's region.")
    suffix = ", the region of the queue" if named == in_force else ""
    return Finding("region", State.OK, f"{in_force}{suffix}.")


def _credentials() -> Finding:
    remedy = f"Run the site under an AWS role, or set the variables that boto3 reads. {ROLE}"
    try:
        credentials = boto3.session.Session().get_credentials()
    except (BotoCoreError, OSError) as error:
        return Finding("credentials", State.WRONG, f"boto3 failed: {type(error).__name__}.", remedy)
    if credentials is None:
        return Finding("credentials", State.WRONG, "boto3 found no credentials.", remedy)
    return Finding("credentials", State.OK, f"boto3 found credentials ({credentials.method}).")


def _outbox() -> Finding:
    try:
        allowed = [alias for alias in connections if router.allow_migrate_model(alias, Outbox)]
        missing = sorted(set(allowed).difference(outbox.aliases()))
    except Error as error:
        return Finding("outbox", State.SKIPPED, f"The database failed: {type(error).__name__}.")
    if not missing:
        return _outboxes(allowed)
    commands = " and ".join(f"manage.py migrate whyness_mixpanel --database={alias}" for alias in missing)
    return Finding(
        "outbox",
        State.WRONG,
        f"The table is missing in {', '.join(missing)}: events are held in memory, and lost when the process "
        "ends.",
        f"Run {commands}; or exclude the app from that database with a database router.",
    )


def _outboxes(aliases: Sequence[str]) -> Finding:
    """Write, update and delete a row in each outbox, and check the age of the oldest event."""
    try:
        for alias in aliases:
            _try_a_row(alias)
        late = [alias for alias in aliases if (oldest_pending_s(alias) or 0) > LATE_S]
    except Error as error:
        return Finding(
            "outbox",
            State.WRONG,
            f"A test row could not be written, updated and deleted: {type(error).__name__}.",
            "Check the database's log, and the permissions of the site's database role.",
        )
    if late:
        return Finding(
            "outbox",
            State.WRONG,
            f"In {', '.join(late)}, an event has been waiting for more than 10 minutes.",
            'Check the queue. With RELAY = "command", run manage.py mixpanel_outbox drain.',
        )
    return Finding("outbox", State.OK, "Each outbox accepts rows, and no event has been waiting for long.")


def _try_a_row(alias: str) -> None:
    """Write, update and delete a row as publishing does, and roll it back."""
    with transaction.atomic(using=alias):
        written = insert([Row("{}", conf.IDENTITY.get(), "", _PROBE)], connections[alias])
        rows = outbox.parked(alias).filter(id__gte=written, reason=_PROBE)
        rows.update(attempts=1)
        rows._raw_delete(alias)  # noqa: SLF001  (no receiver of the site's is called)
        transaction.set_rollback(True, using=alias)


def _suppressed() -> Finding:
    try:
        suppressed_among({"0"}, router.db_for_write(Suppression))
    except Error as error:
        return Finding(
            "suppressed",
            State.WRONG,
            f"The list of suppressed users cannot be read: {type(error).__name__}.",
            "Run manage.py migrate whyness_mixpanel, and check the permissions of the site's database role.",
        )
    return Finding("suppressed", State.OK, "The list of suppressed users can be read.")


def _titles() -> Finding:
    try:
        model = apps.get_model(_TITLES_MODEL)
        titles = set(model._base_manager.filter(title__in=CLICK_EVENTS).values_list("title", flat=True))  # noqa: SLF001  (Django's public API for models)
    except LookupError:
        return Finding("titles", State.OK, f"Not needed, because {_TITLES_MODEL} is not installed.")
    except Error as error:
        return Finding("titles", State.SKIPPED, f"The database failed: {type(error).__name__}.")
    if not titles:
        return Finding("titles", State.OK, "No activity has the title of a click.")
    return Finding(
        "titles",
        State.WRONG,
        f"Activities have the titles of clicks: {', '.join(sorted(titles))}.",
        "Rename them. Otherwise an activity and a click with the same key count as one event.",
    )
