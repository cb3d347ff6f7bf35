import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import StringIO
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from example.whyness_django.models import TrackerItem
from tests.django_support import override
from tests.loopback import LoopbackServer, Request, Response, Trouble
from whyness_mixpanel.diagnosis import diagnose, finding
from whyness_mixpanel.models import Outbox

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"

pytestmark = pytest.mark.usefixtures("no_profiles")


def empty_batch() -> Response:
    """Return what SQS says to a batch of nothing."""
    body = {"__type": "com.amazonaws.sqs#EmptyBatchRequest", "message": "MARKER"}
    return Response(400, json.dumps(body).encode())


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit code, and what is printed."""
    out = StringIO()
    try:
        call_command("mixpanel_check", *arguments, stdout=out)
    except SystemExit as stop:
        return int(str(stop.code)), out.getvalue()
    return 0, out.getvalue()


def states(found: list[finding.Finding]) -> dict[str, str]:
    """Return the states by name."""
    return {each.what: each.state.value for each in found}


class Client:
    """An SQS client in memory: one answer for whoever sends nothing."""

    def __init__(self, *, code: str = "", date: str = "") -> None:
        self.code, self.date = code, date

    def send_message_batch(self, **asked: Any) -> dict[str, Any]:
        """Answer."""
        assert asked == {"QueueUrl": URL, "Entries": []}
        meta: Any = {"ResponseMetadata": {"HTTPHeaders": {"date": self.date}}}
        if self.code:
            meta["Error"] = {"Code": self.code, "Message": "MARKER"}
            raise ClientError(meta, "SendMessageBatch")
        return dict(meta)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some credentials, and no file of the machine's user."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")


def tried(
    code: str = "AWS.SimpleQueueService.EmptyBatchRequest", *, off_s: float = 0
) -> list[finding.Finding]:
    """Return what is found with a queue that answers so, by a clock that is so far ahead of this one."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=off_s), usegmt=True)
    with override(BACKEND="sqs", QUEUE_URL=URL):
        return diagnose.diagnose(lambda: Client(code=code, date=date))


@pytest.mark.usefixtures("db", "credentials")
def test_a_healthy_site_has_nothing_to_fix() -> None:
    """Each line is ok, and none has a remedy."""
    found = tried()

    assert set(states(found).values()) == {"ok"}
    names = ["settings", "region", "credentials", "queue", "clock", "outbox", "suppressed", "titles"]
    assert [each.what for each in found] == names
    assert not any(each.remedy for each in found)


@pytest.mark.usefixtures("db", "credentials")
@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", "QueueUrl"),
        ("AccessDenied", "PublisherPolicyArn"),
        ("InvalidClientTokenId", "account"),
        ("ExpiredToken", "Renew"),
        ("RequestExpired", "clock"),
        ("SomethingNew", "documentation"),
    ],
)
def test_each_refusal_of_the_queue_has_its_remedy(code: str, remedy: str) -> None:
    """In plain words, without what AWS says in its own."""
    queue = next(each for each in tried(code) if each.what == "queue")

    assert queue.state is finding.State.WRONG
    assert remedy in queue.remedy
    assert "MARKER" not in queue.found


@pytest.mark.usefixtures("db", "credentials")
@pytest.mark.parametrize(("off_s", "expected"), [(0, "ok"), (-300, "wrong"), (300, "wrong")])
def test_a_clock_that_is_wrong_is_named(off_s: float, expected: str) -> None:
    """AWS refuses what is signed by such a clock."""
    assert states(tried(off_s=off_s))["clock"] == expected


@pytest.mark.usefixtures("db", "credentials")
def test_titles_that_would_collide_are_wrong() -> None:
    """An activity titled as a click has the click's insert ids."""
    TrackerItem.objects.create(title="User click")
    TrackerItem.objects.create(title="Audio upload")

    titles = next(each for each in tried() if each.what == "titles")

    assert titles.state is finding.State.WRONG
    assert "User click" in titles.found
    assert "Audio upload" not in titles.found


@pytest.mark.usefixtures("db")
def test_without_credentials_the_queue_cannot_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for a metadata service that does not exist."""
    monkeypatch.setattr(boto3.session.Session, "get_credentials", lambda _: None)

    found = states(tried())

    assert (found["credentials"], found["queue"], found["clock"]) == (
        "wrong",
        "skipped",
        "skipped",
    )


@pytest.mark.usefixtures("db")
def test_another_backend_has_no_queue_to_try() -> None:
    """Exit code 3: nothing is wrong, and not all is known."""
    with override():
        code, printed = run()

    assert code == 3
    assert "skipped" in printed
    assert "The backend locmem uses no queue" in printed


@pytest.mark.usefixtures("db")
def test_faulty_settings_are_named_with_their_remedy() -> None:
    """Exit code 1, and the hint of the system check."""
    with override(READ_TIMEOUT_S=0):
        code, printed = run()

    assert code == 1
    assert "READ_TIMEOUT_S" in printed
    assert "-> Set it to" in printed


@pytest.mark.usefixtures("db")
def test_json_is_for_programs() -> None:
    """One line, with the worst state."""
    with override(BACKEND="sqs", QUEUE_URL=""):
        code, printed = run("--json")

    found = json.loads(printed)
    assert (code, found["state"]) == (1, "wrong")
    assert {each["what"] for each in found["findings"]} == {
        "settings",
        "region",
        "credentials",
        "queue",
        "clock",
        "outbox",
        "suppressed",
        "titles",
    }


@pytest.mark.usefixtures("db", "credentials")
@pytest.mark.parametrize("reply", [empty_batch(), Trouble.RESET])
def test_a_real_client_asks_and_reads_the_answer(
    reply: Response | Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP: a batch of nothing arrives, and whatever comes back is a finding."""
    asked: list[Request] = []

    def recorded(request: Request) -> Response | Trouble:
        asked.append(request)
        return reply

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with LoopbackServer(recorded) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with override(BACKEND="sqs", QUEUE_URL=f"{server.url}/1/events", REGION="eu-west-1"):
            found = {each.what: each for each in diagnose.diagnose()}

    assert json.loads(asked[0].body)["Entries"] == []
    assert found["queue"].state == ("wrong" if reply is Trouble.RESET else "ok")


@pytest.mark.usefixtures("db", "credentials")
def test_a_site_without_the_activities_has_no_titles_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is another app's: a site that has none of it is a healthy one."""
    monkeypatch.setattr(diagnose, "_TITLES_MODEL", "nowhere.TrackerItem")

    assert states(tried())["titles"] == "ok"


@pytest.mark.usefixtures("db", "credentials")
def test_the_outbox_is_tried_and_left_as_it_was() -> None:
    """A row is written and rolled back; one that has waited for too long is named."""
    fresh, before = states(tried())["outbox"], Outbox.objects.count()
    long_ago = timezone.now() - timedelta(minutes=11)
    Outbox.objects.create(encoded="{}", identity="distinct_id", created_at=long_ago)
    (late,) = [found for found in tried() if found.what == "outbox"]

    assert (fresh, before) == ("ok", 0)
    assert (late.state.value, "more than 10 minutes" in late.found) == ("wrong", True)


@pytest.fixture
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that refuses an operation on the outbox, or whose list of suppressed users is damaged."""
    what, table = request.param, Outbox._meta.db_table
    break_, repair = {
        "suppressed": tuple(
            f"ALTER TABLE whyness_mixpanel_suppression RENAME COLUMN {names}"
            for names in ('"user" TO gone', 'gone TO "user"')
        )
    }.get(what) or (
        f"CREATE TRIGGER refuse BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'MARKER'); END",
        "DROP TRIGGER refuse",
    )
    with connections["default"].cursor() as cursor:
        cursor.execute(break_)
    yield "suppressed" if what == "suppressed" else "outbox"
    with connections["default"].cursor() as cursor:
        cursor.execute(repair)


@pytest.mark.usefixtures("db", "credentials")
@pytest.mark.parametrize("broken", ["INSERT", "UPDATE", "DELETE", "suppressed"], indirect=True)
def test_a_database_that_lets_nothing_through_is_named(broken: str) -> None:
    """Each step that an event takes in it is tried, and nothing of the database's own words is shown."""
    found = {each.what: each for each in tried()}

    assert [name for name, each in found.items() if each.state is finding.State.WRONG] == [broken]
    assert "MARKER" not in found[broken].found
    assert found[broken].remedy
    assert not Outbox.objects.exists()


@pytest.mark.usefixtures("db", "credentials")
def test_a_queue_without_a_region_is_wrong() -> None:
    """A URL that names none, no setting, and nothing in the environment."""
    with override(BACKEND="sqs", QUEUE_URL="http://127.0.0.1:1/1/events"):
        found = states(diagnose.diagnose(lambda: pytest.fail("the queue was asked")))

    assert found["region"] == "wrong"


@pytest.mark.usefixtures("db", "credentials")
def test_a_database_without_the_outbox_is_named_with_what_makes_it() -> None:
    """The other database has its table, and is not named."""
    with connections["other"].schema_editor() as editor:
        editor.delete_model(Outbox)
    try:
        found = next(each for each in tried() if each.what == "outbox")
    finally:
        with connections["other"].schema_editor() as editor:
            editor.create_model(Outbox)

    assert found.state is finding.State.WRONG
    assert found.found.startswith("The table is missing in other:")
    assert "manage.py migrate whyness_mixpanel --database=other" in found.remedy
    assert "default" not in found.found + found.remedy
