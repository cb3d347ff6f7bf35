import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import override_settings

from tests.django_support import override
from tests.loopback import LoopbackServer, Request, Response
from tests.unit.django_app.test_checks import run_checks
from tests.unit.django_app.test_mixpanel_check import run
from whyness_events import log_entry
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.items import Record
from whyness_events.delivery.ports import DeadLetter
from whyness_events.delivery.settling.redelivery import HandedBack
from whyness_events.delivery.settling.settlement import Settled
from whyness_events.outcomes import Reason
from whyness_mixpanel import conf, counters
from whyness_mixpanel.backends import INSTALL_DIRECT, Answer, CannotSend, all_of, locmem
from whyness_mixpanel.backends import mixpanel as direct
from whyness_mixpanel.backends.mixpanel_ports import Kept
from whyness_mixpanel.models import Outbox
from whyness_mixpanel.publishing import parked, publisher
from whyness_mixpanel.sources.backfill_sender import NotPublished, Sender

ROOT = Path(__file__).parents[3]
EVENT = '{"insert_id":"1","event":"Home","user":"7","time":1763900000000}'
BODY = f'{{"schema_version":1,"identity":"simplified","events":[{EVENT},{EVENT}]}}'
CHOSEN: dict[str, Any] = {
    "BACKEND": "mixpanel",
    "SERVICE_ACCOUNT": "account",
    "SERVICE_PASSWORD": "MARKER-password",
}


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """No deliverer of another test, and none left for one."""
    direct._start_afresh()
    yield
    direct._start_afresh()


def test_browsers_have_the_chosen_names() -> None:
    """A change of the setting makes a deliverer with the other names."""
    described = []
    for names in ({}, {"NAMES": "browser"}):
        with override(**CHOSEN, **names, PROJECT_ID=5):
            described.append(direct._get().deliverer.describe_useragent("Chrome/131.0 Edg/131.0"))

    assert [found["$browser"] for found in described] == ["Edge", "Microsoft Edge"]


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("https://mixpanel.com", "https://api.mixpanel.com"),
        ("https://eu.mixpanel.com", "https://api-eu.mixpanel.com"),
        ("https://in.mixpanel.com", "https://api-in.mixpanel.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_events_go_to_the_region_of_the_project(region: str, expected: str) -> None:
    """Elsewhere they would be refused, or land in another country."""
    with override(**CHOSEN, MIXPANEL_URL=region, PROJECT_ID=5):
        options = direct.read_options()

    assert (options.url, options.project_id) == (expected, "5")
    assert "MARKER" not in repr(options)


@pytest.mark.parametrize("missing", ["SERVICE_ACCOUNT", "SERVICE_PASSWORD"])
def test_without_credentials_nothing_is_posted(missing: str) -> None:
    """The fault names the setting, and W004 does so before."""
    with override(**CHOSEN | {missing: ""}):
        found = run_checks()
        with pytest.raises(conf.SettingError, match=f"{missing} is not set"):
            direct.publish([BODY])

    assert list(found) == ["whyness_mixpanel.W004"]
    assert missing in str(found["whyness_mixpanel.W004"].hint)


def test_a_site_with_credentials_and_libraries_has_nothing_to_read() -> None:
    """It discards nothing, and needs no queue."""
    with override(**CHOSEN):
        assert run_checks(deploy=True) == {}


def test_the_old_names_of_the_credentials_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that posted by itself before has them in its settings, or in its environment."""
    monkeypatch.setenv("MIXPANEL_SERVICE_PASSWORD", "from-the-environment")
    with override_settings(MIXPANEL_SERVICE_ACCOUNT="old"), override(BACKEND="mixpanel"):
        options = direct.read_options()

    assert (options.account, options.password) == ("old", "from-the-environment")


def in_a_process(script: str) -> subprocess.CompletedProcess[str]:
    """Run Python that has nothing but the app and the contract on its path."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "functions/send_events")])
    environment = {"PYTHONPATH": paths, "DJANGO_SETTINGS_MODULE": "tests.django_settings"}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603  (the test's own script)


def test_the_backend_loads_nothing_of_aws() -> None:
    """Neither boto3 nor Powertools: a site without AWS need not have the Lambda's libraries."""
    done = in_a_process("""
import sys, django
from django.conf import settings
chosen = {"SERVICE_ACCOUNT": "a", "SERVICE_PASSWORD": "b", "MIXPANEL_URL": "http://127.0.0.1:9"}
chosen |= {"BACKEND": "mixpanel", "PROJECT_ID": 5}
settings.configure(INSTALLED_APPS=["whyness_mixpanel"], WHYNESS_MIXPANEL=chosen)
django.setup()
from whyness_mixpanel.publishing import publisher
from whyness_mixpanel.backends import mixpanel
mixpanel.DELIVERY_S = 4.0
event = '{"insert_id":"1","event":"a","user":"7","time":1763900000000,"useragent":"x"}'
done = publisher.publish_each([event])
print(done.confirmed, done.fault)
aws = ("boto3", "botocore", "aws_lambda_powertools")
print(sorted(name for name in sys.modules if name.split(".")[0] in aws))
""")

    told, loaded = done.stdout.splitlines()
    assert told.startswith("[False]")
    assert "connection failed (ConnectionError)" in told
    assert loaded == "[]"


@pytest.mark.parametrize("library", ["isal", "msgspec", "requests", "ua_parser", "ua_parser_rs"])
def test_a_missing_library_is_named_with_what_installs_it(library: str) -> None:
    """In the log, in the system check and by mixpanel_check; the event stays in the outbox."""
    done = in_a_process(f"""
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "{library}":
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Missing())
import django
django.setup()
from whyness_mixpanel import backends
try:
    backends.get_publish("mixpanel")
except backends.CannotSend as fault:
    print(fault)
""")

    assert done.stderr == ""
    assert f"needs {library}" in done.stdout
    assert INSTALL_DIRECT in done.stdout


def test_a_missing_library_is_a_warning_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """W005: the check imports nothing, and says what to run."""
    monkeypatch.setattr(
        "whyness_mixpanel.checks.backend_checks.DIRECT_MODULES", ("msgspec", "no_such_library")
    )

    with override(**CHOSEN):
        found = run_checks()

    assert list(found) == ["whyness_mixpanel.W005"]
    assert "no_such_library" in found["whyness_mixpanel.W005"].msg
    assert INSTALL_DIRECT in str(found["whyness_mixpanel.W005"].hint)


def test_a_forked_worker_makes_connections_of_its_own() -> None:
    """Two processes on one connection would read each other's answers."""
    done = in_a_process("""
import os, django
django.setup()
from tests.django_support import override
from whyness_mixpanel.backends import mixpanel
with override(SERVICE_ACCOUNT="a", SERVICE_PASSWORD="b"):
    before = mixpanel._get()
    assert mixpanel._get() is before
    child = os.fork()
    if child == 0:
        os._exit(0 if mixpanel._get() is not before else 1)
    _, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
""")

    assert (done.returncode, done.stderr) == (0, "")


def test_changed_settings_make_another_deliverer() -> None:
    """Such as a password that was renewed."""
    with override(**CHOSEN):
        before = direct._get()
    with override(**CHOSEN | {"SERVICE_PASSWORD": "new"}):
        after = direct._get()

    assert after is not before


# --- dead events on their way back to the caller


def letter(**attributes: str) -> DeadLetter:
    """Return a dead letter."""
    return DeadLetter(EVENT, attributes, log_entry.LogKey("1", "0"))


def test_only_a_letter_that_says_whose_it_is_and_why_is_kept() -> None:
    """Without attributes the event cannot be parked, so it stays in the outbox."""
    kept = Kept()
    letters = [
        letter(reason="rejected", detail="too old", source_message_id="0.1"),
        letter(reason="oversized", source_message_id="0.2"),
        letter(reason="rejected", detail="too old"),
        letter(source_message_id="0.3"),
    ]

    assert kept.send(letters, deadline_s=0.0) == ["0.1", "0.2", None, None]
    assert kept.reasons == {"0.1": "rejected: too old", "0.2": "oversized: no detail"}


class Delivered:
    """What stands for a Deliverer, its pool and what it kept: a report that is made up."""

    def __init__(self, failed: list[str], reasons: dict[str, str], early: Sequence[str] = ()) -> None:
        self.kept, self.pool, self.deliverer = Kept(), self, self
        self.failed, self.reasons = failed, reasons
        self.handed_back = [HandedBack(id_, 1, is_early=id_ in early) for id_ in failed]
        self.is_abandoned = False

    def deliver(self, records: list[Record], **_: object) -> Report:
        """Return the report; the records are one for each event."""
        assert [record.message_id for record in records] == ["0.0", "0.1", "1.0", "1.1"]
        self.kept.reasons.update(self.reasons)
        details = {Reason.REJECTED: "no", Reason.THROTTLED: "Mixpanel answered 429"}
        return Report(settled=Settled(self.failed, self.handed_back), details=details)

    def abandon_all(self) -> None:
        """Note that nothing stays under way."""
        self.is_abandoned = True


@pytest.mark.parametrize(
    ("failed", "early", "expected"),
    [
        ([], [], Answer(frozenset({0, 1}), "", {(0, 0): "no", (1, 1): "never"})),
        (["1.0"], [], Answer(frozenset({0}), "NotSettled", {(0, 0): "no"})),
        (["0.1"], [], Answer(frozenset({1}), "NotSettled", {(1, 1): "never"})),
        (
            ["0.1"],
            ["0.1"],
            Answer(frozenset({0, 1}), "", {(0, 0): "no", (1, 1): "never"}, {}, frozenset({(0, 1)})),
        ),
        (
            ["0.1", "1.0"],
            ["0.1", "1.0"],
            Answer(frozenset({0, 1}), "", {(0, 0): "no", (1, 1): "never"}, {}, frozenset({(0, 1), (1, 0)})),
        ),
        (
            ["0.1", "1.0"],
            ["1.0"],
            Answer(frozenset({1}), "NotSettled", {(1, 1): "never"}, {}, frozenset({(1, 0)})),
        ),
    ],
)
def test_a_message_is_confirmed_when_each_of_its_events_is_settled_or_early(
    failed: list[str], early: list[str], expected: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead event is named only then: with its message it comes back, and would be parked twice."""
    made = Delivered(failed, {"0.0": "no", "1.1": "never"}, early)
    monkeypatch.setattr(direct, "_get", lambda: made)

    assert direct.publish([BODY, BODY]) == expected
    assert made.is_abandoned


def test_where_nothing_is_settled_the_fault_says_why_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not why another event is dead."""
    monkeypatch.setattr(direct, "_get", lambda: Delivered(["0.0", "1.1"], {}))

    with pytest.raises(CannotSend, match="Mixpanel answered 429"):
        direct.publish([BODY, BODY])


def test_dead_events_are_neither_published_nor_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their indexes count through all messages of all calls; the rest of a message is confirmed."""
    events = [f'"{"x" * 30_000}"'] * 5  # two of them are one message
    dead = {(0, 1): "no", (2, 0): "never"}
    monkeypatch.setattr(locmem, "publish", lambda *_, **__: Answer(frozenset({0, 2}), "NotSettled", dead))

    done = publisher.publish_each(events)

    assert done.confirmed == [True, False, False, False, False]
    assert done.dead == {1: "no", 4: "never"}


def test_early_events_are_neither_published_nor_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong: no fault is told, and nothing is counted."""
    monkeypatch.setattr(locmem, "publish", lambda *_, **__: Answer(frozenset({0}), early=frozenset({(0, 1)})))

    done = publisher.publish_each(['"1"', '"2"', '"3"'])

    assert (done.confirmed, set(done.early), done.fault) == ([True, False, True], {1}, "")
    assert counters.snapshot() == dict.fromkeys(counters.NAMES, 0) | {"published": 2}


@pytest.mark.usefixtures("db")
def test_a_backfill_parks_what_will_never_be_delivered() -> None:
    """It has no row in the outbox of its own to park."""
    assert sender_of({(0, 1): "rejected: no"}) == "done"

    row = Outbox.objects.get()
    assert (row.state, row.reason, row.user, row.identity) == ("parked", "rejected: no", "7", "simplified")
    assert row.encoded == EVENT


@pytest.mark.usefixtures("db")
def test_a_backfill_does_not_go_past_what_it_cannot_park(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that cannot be parked is not done: the backfill stops before its row."""

    def fail(*_: object) -> int:
        raise DatabaseError

    monkeypatch.setattr(parked, "insert", fail)

    assert "could not be parked in the outbox" in sender_of({(0, 1): "rejected: no"})


def sender_of(dead: dict[tuple[int, int], str]) -> str:
    """Send one message of which these are dead; return how it ended."""

    def publish(bodies: Any, *, group: str = "") -> Answer:  # noqa: ARG001  (a Publish)
        return all_of(bodies)._replace(dead=dead)

    clock: dict[str, Any] = {"monotonic": lambda: 0.0, "sleep": lambda _: None}
    sender = Sender(publish, identity="simplified", rate=None, on_fault=lambda *_: None, **clock)
    try:
        sender([EVENT, EVENT])
    except NotPublished as fault:
        return str(fault)
    return "done"


# --- mixpanel_check


@pytest.mark.usefixtures("db", "no_profiles")
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (200, 0, "accepts the credentials and the project"),
        (400, 0, "accepts the credentials and the project"),
        (401, 1, "SERVICE_PASSWORD"),
        (403, 1, "PROJECT_ID"),
        (503, 3, "answered with status 503"),
    ],
)
def test_mixpanel_check_asks_mixpanel_itself(status: int, code: int, words: str) -> None:
    """With an empty list: no event, and no word of a queue that is not needed."""
    asked: list[Request] = []

    def respond(request: Request) -> Response:
        asked.append(request)
        return Response(status, b"MARKER")

    with LoopbackServer(respond) as server, override(**CHOSEN, MIXPANEL_URL=server.url):
        found_code, text = run()

    assert found_code == code
    assert words in text
    assert "queue" not in text
    assert "MARKER" not in text
    assert [request.target for request in asked] == ["/import?strict=1&project_id=2780485"]


@pytest.mark.usefixtures("db", "no_profiles")
@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"MIXPANEL_URL": "http://127.0.0.1:9"}, "Mixpanel did not answer: connection failed"),
        ({"SERVICE_PASSWORD": ""}, "Fix first: settings."),
    ],
)
def test_mixpanel_check_says_why_mixpanel_cannot_be_asked(chosen: dict[str, str], words: str) -> None:
    """A closed port, and missing credentials."""
    with override(**CHOSEN | chosen):
        code, text = run()

    assert code == 1
    assert words in text
    assert "queue" not in text
