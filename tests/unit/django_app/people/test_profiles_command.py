"""`manage.py mixpanel_profiles`: its output, its exit codes, and that no value of a profile is in them."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import Error
from django.db.models import F
from django.test import Client, override_settings

from example.whyness_django.models import AuthUser
from tests.django_support import override
from tests.unit.django_app.people.fake_engage import NO, TOKEN, FakeMixpanel
from whyness_mixpanel.diagnosis import canary
from whyness_mixpanel.diagnosis.finding import Finding, State
from whyness_mixpanel.management.commands import mixpanel_profiles
from whyness_mixpanel.models import PersonState, Suppression
from whyness_mixpanel.people import engage, profile
from whyness_mixpanel.people.engage import Reply
from whyness_mixpanel.people.profile import Profile
from whyness_mixpanel.people.sync import sync

pytestmark = pytest.mark.usefixtures("db")
SECRET = "hunter2-secret"
ADMIN = "/admin/whyness_mixpanel/personstate"


@pytest.fixture
def mixpanel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMixpanel]:  # noqa: ARG001  (needed, not read)
    """It, in place of the network; only users have profiles, three of them."""
    fake = FakeMixpanel()
    monkeypatch.setattr(engage, "poster", lambda _: fake)
    monkeypatch.setattr("whyness_ops.stop.Stop.wait", lambda *_: None)
    build = {"personal": ("$name", "$email"), "build": _build}
    user = Profile(name="user", model="whyness_django.AuthUser", **build)  # type: ignore[arg-type]
    monkeypatch.setattr(profile, "_profiles", {"user": user})
    AuthUser.objects.bulk_create(
        AuthUser(id=key, uid=f"u{key}", name=SECRET, email=f"{SECRET}@example.org") for key in (2, 3, 4)
    )
    with override(BACKEND="mixpanel", PROJECT_TOKEN=TOKEN):
        yield fake


def _build(row: AuthUser) -> dict[str, Any]:
    return {
        "$name": row.name,
        "$email": row.email,
        "uid": row.uid,
        "bad": object() if row.uid == "bad" else 1,
    }


def run(*arguments: str) -> tuple[int, str]:
    """Run it; return the exit code and all that it said."""
    out = StringIO()
    try:
        call_command("mixpanel_profiles", *arguments, stdout=out, stderr=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def counts(said: str) -> dict[str, int]:
    """Return the counts of a pass."""
    found: dict[str, int] = json.loads(said.splitlines()[0])
    return {name: count for name, count in found.items() if count}


@pytest.mark.usefixtures("mixpanel")
def test_pass_says_what_it_did() -> None:
    """In one line of JSON."""
    first, second = run("sync"), run("sync")

    assert (first[0], counts(first[1])) == (0, {"read": 3, "sent": 3})
    assert (second[0], counts(second[1])) == (0, {"read": 3})


def test_what_is_left_is_told_with_exit_code_1(mixpanel: FakeMixpanel) -> None:
    """Unsure people, and deletions that a person must confirm."""
    mixpanel.before = lambda _: Reply(503)
    code, said = run("sync")
    assert (code, counts(said)) == (1, {"read": 3, "unsure": 3})
    assert "3 people are unsure. A pass in ten minutes sends them once more." in said

    mixpanel.before = lambda _: None
    code, said = run("sync")
    assert (code, counts(said)) == (1, {"read": 3, "unsure": 3})
    PersonState.objects.update(unsure_at=F("unsure_at") - timedelta(minutes=11))
    assert run("sync")[0] == 0
    AuthUser.objects.all().delete()
    code, said = run("sync")
    assert (code, counts(said)) == (1, {"withheld": 3})
    assert "--confirm-deletes 3" in said
    code, said = run("sync", "--confirm-deletes", "3")
    assert (code, counts(said)) == (0, {"deleted": 3})


@pytest.mark.parametrize("reply", [Reply(401), Reply(400), NO])
def test_refused_setup_has_exit_code_3(mixpanel: FakeMixpanel, reply: Reply) -> None:
    """Whatever is sent would be refused."""
    AuthUser.objects.bulk_create(AuthUser(id=key, uid=f"u{key}") for key in range(10, 100))
    mixpanel.before = lambda _: reply

    assert run("sync")[0] == 3


@pytest.mark.parametrize(
    ("state", "code", "sent"), [(State.OK, 0, 3), (State.SKIPPED, 0, 3), (State.WRONG, 3, 0)]
)
def test_nothing_is_sent_to_a_project_that_does_not_show_what_was_written(
    mixpanel: FakeMixpanel, monkeypatch: pytest.MonkeyPatch, state: State, code: int, sent: int
) -> None:
    """Mixpanel says yes to any token. What was read back once is not asked again."""
    asked: list[object] = []

    def find(_: object) -> list[Finding]:
        asked.append(1)
        return [Finding("profiles", state, "What was found.", "What to do.")]

    monkeypatch.setattr(canary, "profiles", find)

    first = run("sync")
    run("sync")

    assert first[0] == code
    assert len(mixpanel.people()) == PersonState.objects.filter(state="sent").count() == sent
    assert ("What was found. What to do." in first[1]) is (state is State.WRONG)
    assert len(asked) == (1 if state is State.OK else 2)


@pytest.mark.parametrize("backend", ["mixpanel", "console"])
def test_dry_run_needs_no_lease_and_sends_nothing(mixpanel: FakeMixpanel, backend: str) -> None:
    """It counts, also on a developer's copy of the site."""
    with override(BACKEND=backend):
        code, said = run("sync", "--dry-run")

    assert (code, counts(said)) == (0, {"would send": 3, "read": 3})
    assert mixpanel.requests == []


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"ENABLED": False}, "ENABLED is False"),
        ({"BACKEND": "console"}, "BACKEND is console"),
        ({"BACKEND": "locmem"}, "BACKEND is locmem"),
        ({"PROJECT_TOKEN": ""}, "PROJECT_TOKEN is not set"),
    ],
)
def test_site_that_sends_nothing_sends_no_profiles(
    mixpanel: FakeMixpanel, chosen: dict[str, Any], told: str
) -> None:
    """A developer's copy of the site must not overwrite what production has sent."""
    with override(**{"BACKEND": "mixpanel", "PROJECT_TOKEN": TOKEN, **chosen}):
        code, said = run("sync")

    assert code == 1
    assert told in said
    assert mixpanel.requests == []


def test_loop_goes_on_after_failures_and_ends_with_a_signal(
    mixpanel: FakeMixpanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Mixpanel and of the database; it pauses longer where a person must act."""
    waits: list[float] = []
    passes = iter([None, Error("secret"), None, None])

    def failing(*arguments: Any, **named: Any) -> Any:
        if fault := next(passes):
            raise fault
        return sync(*arguments, **named)

    def wait(stop: Any, seconds: float) -> None:
        waits.append(seconds)
        mixpanel.before = (lambda _: Reply(401)) if len(waits) == 2 else (lambda _: None)
        AuthUser.objects.update(email=f"{len(waits)}@example.org")
        if len(waits) == 4:
            stop.set()

    monkeypatch.setattr(mixpanel_profiles, "sync", failing)
    monkeypatch.setattr("whyness_ops.stop.Stop.wait", wait)

    code, said = run("sync", "--loop", "30", "--recent")

    assert code == 130
    assert waits == [30, 30, 600, 30]
    assert "The database failed: Error. Is the site migrated?" in said
    assert "Mixpanel answered 401" in said
    assert mixpanel.profiles["2"]["$email"] == "3@example.org"


def test_status_counts_states_and_reasons(mixpanel: FakeMixpanel) -> None:
    """Of each profile."""
    AuthUser.objects.filter(pk=3).update(uid="bad")
    Suppression.objects.create(user="4")
    run("sync")
    PersonState.objects.filter(key=2).update(unsure_at=F("sent_at"))

    told = "1 refused: bad: found an object; allowed: a JSON value, or another kind that docs/reference/"
    assert run("status") == (
        0,
        f"user: 1 sent, 1 refused, 0 deleted, 1 unsure\n  {told}python.md names\n",
    )
    assert mixpanel.people() == {"2"}


@pytest.mark.usefixtures("mixpanel")
def test_show_says_what_is_sent_of_a_person_and_the_values_only_if_asked() -> None:
    """Before and after a pass, of a row that is refused, and of one that is gone."""
    before = json.loads(run("show", "2")[1])
    run("sync")
    after = json.loads(run("show", "2")[1])
    values = json.loads(run("show", "2", "--values")[1])
    AuthUser.objects.filter(pk=3).update(uid="bad")
    AuthUser.objects.filter(pk=4).delete()

    names = ["$email", "$name", "bad", "kind", "person", "uid"]
    assert before == {"person": "2", "distinct_id": "2", "set": names, "unset": [], "mixpanel_state": None}
    assert (after["mixpanel_state"], after["mixpanel_unsure_at"]) == ("sent", None)
    assert values["set"]["$name"] == SECRET
    assert json.loads(run("show", "3")[1])["profile"].startswith("refused: bad: found an object")
    assert json.loads(run("show", "4")[1])["profile"].startswith("none: the row is gone")
    Suppression.objects.create(user="2")
    assert json.loads(run("show", "2", "--values")[1])["profile"].startswith("none: the row is gone, or")


@pytest.mark.parametrize("user", ["p:45", "x", "", "$device:p-1", SECRET])
@pytest.mark.usefixtures("mixpanel")
def test_show_of_nobody_is_a_wrong_argument(user: str) -> None:
    """The text does not repeat it."""
    code, said = run("show", user)

    assert code == 2
    assert SECRET not in said


@pytest.mark.usefixtures("mixpanel")
def test_without_profiles_or_with_other_keys_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table whose keys are texts cannot be read side by side."""
    monkeypatch.setattr(profile, "_profiles", {})
    assert run("sync")[0] == 2
    session = Profile(name="session", model="sessions.Session", build=dict)
    monkeypatch.setattr(profile, "_profiles", {"session": session})
    assert run("sync") == (
        2,
        "Profile session: the primary key of sessions.Session must be an integer.",
    )


@pytest.mark.parametrize("reply", [None, Reply(0), Reply(401), NO, Reply(200, SECRET.encode())])
def test_no_value_of_a_profile_shows_anywhere(
    mixpanel: FakeMixpanel, reply: Reply | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the output, a log line, a reason or a state; whether all goes well or nothing does."""
    caplog.set_level(logging.DEBUG)
    AuthUser.objects.filter(pk=3).update(uid="bad")
    mixpanel.before = lambda _: reply
    said = [
        run(*words) for words in (["sync"], ["sync", "--dry-run"], ["status"], ["show", "2"], ["show", "3"])
    ]
    mixpanel.before = lambda _: None
    AuthUser.objects.filter(pk=2).delete()
    said.append(run("sync"))

    stored = list(PersonState.objects.values_list())
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("django.db")]
    assert stored
    assert SECRET not in str((said, stored, ours))


def test_refused_people_are_listed_in_the_admin_and_cannot_be_changed(
    mixpanel: FakeMixpanel,
) -> None:
    """With their reason, and without those who are sent."""
    admin_client = Client()
    admin_client.force_login(User.objects.create(username="ada", is_staff=True, is_superuser=True))
    AuthUser.objects.filter(pk=3).update(uid="bad")
    run("sync")

    with override_settings(ROOT_URLCONF="tests.admin_urls"):
        page = admin_client.get(f"{ADMIN}/").content.decode()
        row = PersonState.objects.get(key=3)
        detail = admin_client.get(f"{ADMIN}/{row.pk}/change/").content.decode()
        forbidden = [
            admin_client.get(f"{ADMIN}/{path}").status_code for path in ("add/", f"{row.pk}/delete/")
        ]

    assert page.count("found an object") == 1
    assert SECRET not in page + detail
    assert "found an object" in detail
    assert forbidden == [403, 403]
    assert mixpanel.people() == {"2", "4"}
