"""Posts to Mixpanel directly, with the Lambda's delivery code: for low volume, and without AWS.

There is no queue. Events that are not settled stay in the caller's outbox, and events that Mixpanel refuses
permanently are reported to the caller, which keeps them.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from whyness_events import decode_message
from whyness_events.wire import join_message, to_sqs_json
from whyness_mixpanel import conf, setting_parsers
from whyness_mixpanel.backends import INSTALL_DIRECT, LIVE_GROUP, Answer, CannotSend
from whyness_mixpanel.forks import in_child

try:
    import ua_parser.regex  # noqa: F401  (DESCRIBERS import it late; fail here if it is missing)

    from whyness_events.delivery.clock import SystemClock
    from whyness_events.delivery.deliver import Deliverer
    from whyness_events.delivery.invocation_report import Report
    from whyness_events.delivery.items import Record
    from whyness_events.delivery.mixpanel.describers import DESCRIBERS
    from whyness_events.delivery.mixpanel.service_account import FixedCredentials
    from whyness_events.delivery.mixpanel.transport.client import MixpanelPool
    from whyness_events.delivery.settings import REGIONS
    from whyness_events.delivery.settling.redelivery import Redelivery
    from whyness_mixpanel.backends.mixpanel_ports import Kept, NoLog, NoQueue
except ModuleNotFoundError as missing:
    raise CannotSend(f"the backend mixpanel needs {missing.name}; run {INSTALL_DIRECT}") from missing

# The time limit of one call: half of a batch's 30 s.
DELIVERY_S = 15.0
_ANSWER_TIMEOUT_S = 10.0
_THREADS = 2

# The import URL of each region of MIXPANEL_URL; a simulator on loopback serves both.
_IMPORT_URLS = dict(
    zip(setting_parsers.MIXPANEL_URLS, (REGIONS[name] for name in ("us", "eu", "in")), strict=True)
)


@dataclass(frozen=True, slots=True)
class _Options:
    url: str
    project_id: str
    account: str
    password: str = field(repr=False)
    names: str


@dataclass(frozen=True, slots=True)
class _Made:
    """A Deliverer and its parts. It is used by one thread only, so each publishing thread has its own."""

    options: _Options
    pool: MixpanelPool
    kept: Kept
    deliverer: Deliverer


class _Local(threading.local):
    made: _Made | None = None


_local = _Local()


def publish(bodies: Sequence[str], *, group: str = LIVE_GROUP) -> Answer:  # noqa: ARG001  (no queue, so no groups)
    """Deliver the events of `bodies` to Mixpanel within DELIVERY_S.

    Raises:
        SettingError: credentials or project are not set, or a setting is invalid.
        CannotSend: nothing was settled; the text says why.
    """
    made = _get()
    made.kept.reasons.clear()
    records = [record for index, body in enumerate(bodies) for record in _records(index, body)]
    try:
        deadline_s = time.monotonic() + DELIVERY_S
        report = made.deliverer.deliver(records, run_id="direct", deadline_s=deadline_s)
    finally:
        made.pool.abandon_all()
    early = {_place(record.receipt_handle) for record in report.settled.handed_back if record.is_early}
    unsettled = {place[0] for place in map(_place, report.settled.failed_message_ids) if place not in early}
    confirmed = frozenset(range(len(bodies))) - unsettled
    if bodies and not confirmed:
        raise CannotSend(next(_troubles(report)))
    dead = {_place(message_id): reason for message_id, reason in made.kept.reasons.items()}
    return Answer(
        confirmed=confirmed,
        refusal="NotSettled" if unsettled else "",
        dead={place: reason for place, reason in dead.items() if place[0] in confirmed},
        early=frozenset(place for place in early if place[0] in confirmed),
    )


def read_options() -> _Options:
    """Return the settings of the project.

    Raises:
        SettingError: credentials or project are not set, or a setting is invalid.
    """
    url = conf.MIXPANEL_URL.get()
    return _Options(
        url=_IMPORT_URLS.get(url, url),
        project_id=str(conf.PROJECT_ID.require()),
        account=conf.SERVICE_ACCOUNT.require(),
        password=conf.SERVICE_PASSWORD.require(),
        names=conf.NAMES.get(),
    )


def make_pool(options: _Options) -> MixpanelPool:
    """Return a pool without connections."""
    credentials = FixedCredentials(options.account, options.password)
    return MixpanelPool(options.url, options.project_id, credentials)


def _get() -> _Made:
    options = read_options()
    if _local.made is None or _local.made.options != options:
        _local.made = _make(options)
    return _local.made


def _make(options: _Options) -> _Made:
    rng = random.Random()  # noqa: S311  (jitter)
    pool, kept = make_pool(options), Kept()
    deliverer = Deliverer(
        pool=pool,
        dead_letters=kept,
        log=NoLog(),
        redelivery=Redelivery(NoQueue(), rng),
        clock=SystemClock(),
        rng=rng,
        describe_useragent=DESCRIBERS[options.names],
        default_identity=conf.IDENTITY.default,  # each of our bodies has its own
        threads=_THREADS,
        answer_timeout_s=_ANSWER_TIMEOUT_S,
    )
    return _Made(options, pool, kept, deliverer)


def _records(index: int, body: str) -> Iterator[Record]:
    """Yield a record for each event, so that each is settled alone; its id is the event's position."""
    message = decode_message(body)
    identity = message.identity or conf.IDENTITY.get()
    for position, raw in enumerate(message.raw_events):
        id_ = f"{index}.{position}"
        yield Record(id_, join_message([to_sqs_json(raw)], identity=identity), receipt_handle=id_)


def _place(message_id: str) -> tuple[int, int]:
    index, _, position = message_id.partition(".")
    return int(index), int(position)


def _troubles(report: Report) -> Iterator[str]:
    """Yield why events wait, free of values; at least one reason."""
    yield from (detail for reason, detail in report.details.items() if reason.is_waiting)
    yield "a dead letter was not kept"


@in_child
def _start_afresh() -> None:
    global _local  # noqa: PLW0603  (a forked child has its own deliverer)
    _local = _Local()
