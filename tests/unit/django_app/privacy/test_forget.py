import itertools
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from local.mixpanel_simulator import Project, Settings, Simulator
from local.mixpanel_simulator.deletions import PATH, DeletionRequest
from tests.django_support import override
from tests.loopback import LoopbackServer, Request, Response
from whyness_events import parse_event
from whyness_events.dead_letter import DROPPED_IN_ORDER, REASON, from_sqs_attributes, to_sqs_attributes
from whyness_events.delivery.mixpanel.translate import Translator
from whyness_mixpanel.models import Event, Outbox, Suppression
from whyness_mixpanel.privacy import dead_letters, deletion_api, forget
from whyness_ops import DeadLetterQueue, SetupFault

NOW_S = int(time.time())
DEAD_URL = "https://sqs.eu-west-1.amazonaws.com/1/dead"


class Mixpanel:
    """A simulated Mixpanel on loopback, for which a minute passes between two requests.

    Attributes:
        requests: those for deletions.
        updates: those of profiles.
        asked_before: of each update, how many deletions had been requested.
        engage: what is answered to updates.
        refusal: what is answered instead.
    """

    def __init__(self) -> None:
        projects = (Project(project_id="1", token="project-token"),)
        settings = Settings(projects=projects, account="a", password="b", gdpr_token="gdpr-secret")
        self.core = Simulator(settings, clock=itertools.count(NOW_S, 60).__next__)
        self.requests: list[Request] = []
        self.updates: list[dict[str, Any]] = []
        self.asked_before: list[int] = []
        self.engage = Response(200, b'{"status": 1, "error": null}')
        self.refusal: Response | None = None

    def respond(self, request: Request) -> Response:
        """Answer a request for a deletion, or an update of profiles."""
        if request.target.startswith("/engage"):
            updates = json.loads(request.body)
            self.updates += updates
            self.asked_before += [len(self.requests)] * len(updates)
            return self.engage
        self.requests.append(request)
        if self.refusal:
            return self.refusal
        path, _, query = request.target.partition("?")
        assert path.startswith(PATH)
        asked = DeletionRequest(
            request.method, path.removeprefix(PATH), request.headers, dict(parse_qsl(query)), request.body
        )
        reply = self.core.handle_deletion(asked)
        return Response(reply.status, reply.body)

    def import_(self, *encoded_events: str) -> None:
        """Get events as the Lambda sends them."""
        parsed = [parse_event(json.loads(text), now_ms=NOW_S * 1000) for text in encoded_events]
        translated = Translator(lambda _: {}).translate(parsed, ["simplified"] * len(parsed))
        events = [encoded for encoded, _ in translated]
        basic = {"Authorization": "Basic YTpi"}
        query = {"strict": "1", "project_id": "1"}
        assert self.core.handle_import(basic, query, b"[" + b",".join(events) + b"]").status == 200

    @property
    def people(self) -> list[str]:
        """Whose events there are."""
        return [event["properties"]["distinct_id"] for event in self.core.events()]

    @property
    def asked(self) -> list[list[str]]:
        """The ids of each deletion."""
        return [deletion["distinct_ids"] for deletion in self.core.deletions()]


@pytest.fixture
def mixpanel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mixpanel]:
    """It, in the settings."""
    monkeypatch.setattr(deletion_api, "PAUSE_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    simulated = Mixpanel()
    with (
        LoopbackServer(simulated.respond) as server,
        override(MIXPANEL_URL=server.url, PROJECT_TOKEN="project-token", GDPR_TOKEN="gdpr-secret"),
    ):
        yield simulated


class Dead:
    """A dead-letter queue in memory, as far as a purge uses it."""

    def __init__(self, *bodies: str, hidden: int = 0) -> None:
        self.bodies = {str(index): body for index, body in enumerate(bodies)}
        self.hidden = hidden
        self.given: set[str] = set()
        self.attributes = {name: f"a {name}" for name in DROPPED_IN_ORDER if name != REASON}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        """Say how many are hidden."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return {"Attributes": dict(zip(names, ("0", str(self.hidden)), strict=True))}

    def receive_message(self, **_: Any) -> dict[str, Any]:
        """Hand out what is not held."""
        new = sorted(self.bodies.keys() - self.given)[:10]
        self.given |= set(new)
        return {
            "Messages": [
                {
                    "MessageId": i,
                    "ReceiptHandle": i,
                    "Body": self.bodies[i],
                    "MessageAttributes": to_sqs_attributes(self.attributes),
                }
                for i in new
            ],
        }

    def send_message(self, *, MessageBody: str, MessageAttributes: Any, **_: Any) -> None:  # noqa: N803  (SQS's)
        """Accept a message."""
        told = from_sqs_attributes(MessageAttributes)
        assert told.pop(REASON)
        assert told == self.attributes
        self.bodies[f"new-{len(self.bodies)}"] = MessageBody

    def delete_message_batch(self, *, Entries: Any, **_: Any) -> dict[str, Any]:  # noqa: N803  (SQS's)
        """Delete."""
        for entry in Entries:
            del self.bodies[entry["ReceiptHandle"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, **_: Any) -> dict[str, Any]:
        """Do as if."""
        self.given.clear()
        return {}


def encoded(user: str, prospect: str = "") -> str:
    """Return an event as it travels."""
    return Event(event="x", user=user, prospect=prospect).json()


def letter(*events: str) -> str:
    """Return a message body."""
    return f'{{"schema_version":1,"identity":"simplified","events":[{",".join(events)}]}}'


def run(*arguments: str) -> dict[str, Any]:
    """Return what the command's last line says, with its exit code."""
    out, code = StringIO(), 0
    try:
        call_command("mixpanel_forget", *arguments, stdout=out, stderr=StringIO())
    except CommandError as error:
        code = error.returncode
    found: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return found | {"code": code}


def make_rows() -> None:
    """Put events of several people into the outbox."""
    rows = [("7", encoded("7"), "pending"), ("7", "{}", "parked"), ("9", encoded("9", "45"), "pending")]
    rows += [
        ("8", encoded("8"), "pending"),
        ("", '{"user": 7, "broken', "parked"),
        ("", '{"user": 7}', "parked"),
    ]
    for user, text, state in rows:
        Outbox.objects.create(user=user, encoded=text, state=state, identity="distinct_id")


@pytest.mark.usefixtures("db")
def test_a_person_is_suppressed_purged_and_asked_for(mixpanel: Mixpanel) -> None:
    """Rows of others stay; Mixpanel is asked under every spelling, once for all."""
    make_rows()

    found = run("7", "p:45")

    assert found["code"] == 0
    assert (found["suppressed"], found["outbox_rows"], found["asked"]) == (2, 4, 2)
    assert Outbox.objects.filter(encoded='{"user": 7, "broken').exists()
    assert set(Outbox.objects.exclude(user="").values_list("user", flat=True)) == {"8"}
    assert mixpanel.asked == [["7", "p:45", "$device:p-45", "p-45"]]
    assert json.loads(mixpanel.requests[0].body)["compliance_type"] == "GDPR"


@pytest.mark.usefixtures("db")
def test_a_forgotten_person_is_gone_from_mixpanel_and_so_is_what_came_late(mixpanel: Mixpanel) -> None:
    """What waited in a queue arrives after the deletion: that is why Mixpanel is asked again."""
    mixpanel.import_(encoded("7"), encoded("p:45"), encoded("8"))

    run("7", "p:45")
    mixpanel.core.move_deletions("SUCCESS")
    left = mixpanel.people
    mixpanel.import_(encoded("7"))
    late = mixpanel.people
    Suppression.objects.update(asked_at=F("asked_at") - forget.ASK_AGAIN_AFTER)
    run("--due")
    mixpanel.core.move_deletions("SUCCESS")

    assert (left, late, mixpanel.people) == (["8"], ["8", "7"], ["8"])


@pytest.mark.usefixtures("db")
def test_profiles_are_deleted_at_once_under_every_spelling_before_mixpanel_is_asked(
    mixpanel: Mixpanel,
) -> None:
    """And once more where the deletion is requested again; a dry run deletes none."""
    run("7", "p:45", "--dry-run")
    assert mixpanel.updates == []

    found = run("7", "p:45")

    assert (found["code"], found["profiles_deleted"]) == (0, True)
    assert [update["$distinct_id"] for update in mixpanel.updates] == ["7", "p:45", "$device:p-45", "p-45"]
    assert all("$delete" in update and update["$token"] == "project-token" for update in mixpanel.updates)
    assert mixpanel.asked_before == [0] * 4
    Suppression.objects.update(asked_at=F("asked_at") - forget.ASK_AGAIN_AFTER)
    run("--due")
    assert len(mixpanel.updates) == 8


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("status", [401, 503])
def test_profiles_that_may_not_be_deleted_are_told_and_the_rest_is_done(
    mixpanel: Mixpanel, status: int
) -> None:
    """Running it again deletes them, whether or not a deletion of the events is due."""
    mixpanel.engage = Response(status)

    found = run("7")

    assert (found["code"], found["profiles_deleted"], found["asked"]) == (3, False, 1)
    assert "Profiles: they may not be deleted" in found["faults"][0]
    mixpanel.engage = Response(200, b'{"status": 1, "error": null}')
    again = run("7")
    assert (again["code"], again["profiles_deleted"], again["asked"]) == (0, True, 0)


@pytest.mark.usefixtures("db")
def test_a_second_run_asks_for_nothing_twice(mixpanel: Mixpanel) -> None:
    """It may be run again at any time."""
    run("7")

    assert (run("7")["asked"], run("--due")["asked"]) == (0, 0)
    assert len(mixpanel.asked) == 1
    assert Suppression.objects.count() == 1


@pytest.mark.usefixtures("db")
def test_mixpanel_is_asked_again_when_the_queues_have_forgotten(mixpanel: Mixpanel) -> None:
    """Once, after the retention of both queues; and not a third time."""
    run("7")
    for _ in range(2):
        Suppression.objects.update(
            asked_at=F("asked_at") - forget.ASK_AGAIN_AFTER,
            created_at=F("created_at") - forget.ASK_AGAIN_AFTER,
        )
        run("--due")

    assert mixpanel.asked == [["7"], ["7"]]
    assert Suppression.objects.get().ask_count == forget.ASK_COUNT


@pytest.mark.usefixtures("db")
def test_a_deletion_that_failed_is_asked_for_again(mixpanel: Mixpanel) -> None:
    """And the later one, after the retention, is not spent by it."""
    run("7")
    mixpanel.core.move_deletions("FAILURE")

    status = run("--status")
    run("--due")

    row = Suppression.objects.get()
    assert status["suppressed"][0]["status"] == "FAILURE"
    assert (row.status, row.tracking_id, row.ask_count) == ("PENDING", "deletion-2", 1)


@pytest.mark.usefixtures("db")
def test_the_status_is_mixpanels_word(mixpanel: Mixpanel) -> None:
    """With when it is asked again; whoever is not suppressed is named as unknown."""
    run("7")
    mixpanel.core.move_deletions("SUCCESS")

    found = run("--status", "7", "8")

    (row,) = found["suppressed"]
    assert (row["user"], row["status"], found["unknown"]) == ("7", "SUCCESS", ["8"])
    assert datetime.fromisoformat(row["ask_again_at"]) - datetime.fromisoformat(row["asked_at"]) == timedelta(
        29
    )


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (Response(401, b"gdpr-secret"), "GDPR_TOKEN"),
        (Response(429), "minute"),
        (Response(302, headers={"Location": "http://127.0.0.1:1/"}), "302"),
        (Response(201, b"<html>"), "cannot be read"),
        (Response(201, b"[]"), "without the id"),
        (Response(201, b'{"results": {"task_id": "../x y"}}'), "without the id"),
    ],
)
def test_a_refusal_of_mixpanel_is_told_and_the_rest_is_done(
    mixpanel: Mixpanel, refusal: Response, told: str
) -> None:
    """The person is suppressed and purged all the same; --due asks later; no secret is shown."""
    make_rows()
    mixpanel.refusal = refusal

    found = run("7")

    assert (found["code"], found["suppressed"], found["outbox_rows"]) == (3, 1, 3)
    assert told in found["faults"][0]
    assert "gdpr-secret" not in found["faults"][0]
    mixpanel.refusal = None
    assert run("--due")["asked"] == 1


@pytest.mark.usefixtures("db")
def test_without_tokens_the_command_says_which_are_missing() -> None:
    """Suppressed and purged; and what to set for the rest."""
    found = run("7")

    assert found["code"] == 3
    assert "PROJECT_TOKEN" in found["faults"][0]
    assert "MIXPANEL_GDPR_TOKEN" in found["faults"][0]


@pytest.mark.usefixtures("db")
def test_a_dry_run_changes_nothing(mixpanel: Mixpanel) -> None:
    """It counts what would go."""
    make_rows()

    found = run("7", "--dry-run")

    assert (found["outbox_rows"], found["suppressed"], found["asked"]) == (3, 0, 0)
    assert (Outbox.objects.count(), Suppression.objects.count()) == (6, 0)
    assert mixpanel.requests == []


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    "wrong", [["1"], ["$device:p-45"], ["null"], [], ["7", "--due"], ["--due", "--dry-run"]]
)
def test_what_makes_no_sense_is_refused(wrong: list[str]) -> None:
    """Anonymous users share an id, so they cannot be forgotten."""
    with pytest.raises(CommandError) as caught:
        call_command("mixpanel_forget", *wrong)

    assert caught.value.returncode == 1
    assert Suppression.objects.count() == 0


def test_dead_letters_of_the_person_are_deleted_and_others_kept() -> None:
    """From a dead letter about several people, only the person's event is deleted."""
    dead = Dead(letter(encoded("7")), letter(encoded("8")), letter(encoded("7"), encoded("8")), "no JSON")

    report = dead_letters.purge(DeadLetterQueue(dead, DEAD_URL), ["7"], dry_run=False)

    assert (report.looked_at, report.purged, report.rewritten, report.unreadable) == (4, 1, 1, 1)
    assert report.is_clean
    assert not any('"user":"7"' in body for body in dead.bodies.values())
    assert sorted(body.count('"user":"8"') for body in dead.bodies.values()) == [0, 1, 1]
    assert all('"identity":"simplified"' in body for body in dead.bodies.values() if body != "no JSON")


class DeadLater(Dead):
    """A queue that receives a dead letter about the person during the purge."""

    def get_queue_attributes(self, **asked: Any) -> dict[str, Any]:
        """Say what time it is."""
        date = {"HTTPHeaders": {"date": "Thu, 26 Nov 2026 10:00:00 GMT"}}
        return {**super().get_queue_attributes(**asked), "ResponseMetadata": date}

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        """Return dead letters sent a minute later."""
        answer = super().receive_message(**asked)
        for message in answer["Messages"]:
            message["Attributes"] = {"SentTimestamp": "1795687260000"}
        return answer


def test_letters_that_arrive_meanwhile_are_a_reason_to_come_again() -> None:
    """They were not inspected, so their people are unknown."""
    dead = DeadLater(letter(encoded("7")))

    report = dead_letters.purge(DeadLetterQueue(dead, DEAD_URL), ["7"], dry_run=False)

    assert (report.arrived_since, report.is_clean, len(dead.bodies)) == (1, False, 1)


def test_a_dry_run_leaves_the_dead_letters() -> None:
    """It counts them."""
    dead = Dead(letter(encoded("7")), letter(encoded("7"), encoded("8")))

    report = dead_letters.purge(DeadLetterQueue(dead, DEAD_URL), ["7"], dry_run=True)

    assert (report.purged, report.rewritten, len(dead.bodies)) == (1, 1, 2)


@pytest.mark.usefixtures("db", "mixpanel")
def test_letters_that_somebody_else_holds_are_a_reason_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were not inspected, so their people are unknown."""
    queue = DeadLetterQueue(Dead(hidden=2), DEAD_URL)
    monkeypatch.setattr(dead_letters, "queue_from_settings", lambda: queue)

    found = run("7")

    assert (found["code"], found["dead_letters"]["hidden"]) == (3, 2)


@pytest.mark.usefixtures("db", "mixpanel")
def test_a_queue_that_cannot_be_asked_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person is suppressed and Mixpanel asked; the output says what is left to do."""

    def fail() -> None:
        raise SetupFault("No credentials.")

    monkeypatch.setattr(dead_letters, "queue_from_settings", fail)

    found = run("7")

    assert (found["code"], found["asked"], found["faults"]) == (3, 1, ["Dead letters: No credentials."])


@pytest.mark.usefixtures("db")
def test_a_faulty_setting_stops_it_in_a_sentence() -> None:
    """No trace, and what is allowed."""
    with (
        override(ANONYMOUS_USERS=7),
        pytest.raises(CommandError, match=r"ANONYMOUS_USERS.*run the command"),
    ):
        call_command("mixpanel_forget", "7")


@pytest.mark.usefixtures("db")
def test_the_list_is_not_dropped_while_people_are_on_it() -> None:
    """Reversing the migration would make their events flow again."""
    row = Suppression.objects.create(user="7")

    with pytest.raises(CommandError, match=r"Nothing was reversed\. 1 users are suppressed"):
        call_command("migrate", "whyness_mixpanel", "0002", verbosity=0)
    call_command("migrate", "whyness_mixpanel", verbosity=0)

    assert Suppression.objects.get() == row


@pytest.mark.usefixtures("db")
def test_a_status_that_cannot_be_asked_for_shows_what_was_noted(mixpanel: Mixpanel) -> None:
    """With exit code 3, for what is shown may be old."""
    run("7")
    mixpanel.refusal = Response(503)

    found = run("--status")

    assert (found["code"], found["suppressed"][0]["status"]) == (3, "PENDING")
    assert "503" in found["faults"][0]


@pytest.mark.usefixtures("db")
def test_mixpanel_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is closed; the person is suppressed all the same."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with LoopbackServer(lambda _: Response(200)) as server:
        url = server.url

    with override(MIXPANEL_URL=url, PROJECT_TOKEN="a", GDPR_TOKEN="b"):
        found = run("7")

    assert (found["code"], found["suppressed"]) == (3, 1)
    assert "cannot be reached" in found["faults"][0]
