from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from tests.django_support import override
from whyness_mixpanel.admin import chart, log_filters, stack_clients
from whyness_mixpanel.models import Log, Outbox

TODAY = date(2026, 11, 23)
FAILURES = "/admin/whyness_mixpanel/deliveryfailure/"
OUTBOX = "/admin/whyness_mixpanel/outbox/"
LOG = "/admin/whyness_mixpanel/log/"
VALID = '{"insert_id":"1","event":"Click","user":"5","time":1760000000000}'
SignIn = Callable[..., Client]


@pytest.fixture
def sign_in(db: None) -> Iterator[SignIn]:  # noqa: ARG001  (users are in it)
    """Returns a function that makes a member of staff with permissions, or a superuser, and a browser."""

    def sign_in(*codenames: str, is_superuser: bool = False) -> Client:
        user = User.objects.create(username="ada", is_staff=True, is_superuser=is_superuser)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    with override_settings(ROOT_URLCONF="tests.admin_urls"):
        yield sign_in


def row(day: date, reason: str, **more: object) -> dict[str, Any]:
    """Return a row as the index has it."""
    return {"gsi1pk": f"{day}#{reason}#3", "gsi1sk": f"{day}T10:00:00.000+00:00#1", **more}


def test_a_bar_is_the_sum_of_its_pieces() -> None:
    """Heights are in proportion to counts, and the sentence has the same figures."""
    days = [TODAY, TODAY - timedelta(days=1)]
    rows = [row(TODAY, "rejected")] * 3 + [row(TODAY, "crashed")] + [row(days[1], "rejected")] * 2

    drawn = chart.draw(rows, days)

    assert [(bar.day, bar.total, bar.counts) for bar in drawn.bars] == [
        (days[1], 2, (2, 0)),
        (TODAY, 4, (3, 1)),
    ]
    three, one = drawn.bars[1].pieces
    assert three.height == pytest.approx(3 * one.height)
    assert drawn.summary == "6 failures in 2 days: 5 rejected, 1 crashed. Most on 2026-11-23: 4."


def test_one_failure_of_one_day_is_a_sentence_too() -> None:
    """It is read out."""
    drawn = chart.draw([row(TODAY, "crashed")], [TODAY])

    assert drawn.summary == "1 failure on 2026-11-23: 1 crashed."


def test_a_chart_of_nothing_says_so() -> None:
    """No division by nothing, and a bar for each day all the same."""
    drawn = chart.draw([], [TODAY])

    assert (drawn.summary, len(drawn.bars)) == ("No failures in this period.", 1)


def test_what_cannot_be_read_in_an_address_is_left_out_and_named() -> None:
    """A link that was cut in two shows something, and says what it does not show."""
    question = log_filters.LogFilters.read(
        {"day": "yesterday", "reason": "<script>", "state": "undead", "period": "9999", "p": "-1"},
        today=TODAY,
    )

    assert len(question.wrong) == 3
    assert (len(question.days), question.reason, question.state, question.page) == (7, "", "", 1)


@pytest.mark.parametrize("name", ["view_deliveryfailure", "redrive_deliveryfailure"])
def test_the_page_answers_where_nothing_is_configured(sign_in: SignIn, name: str) -> None:
    """It says in plain words which setting is missing."""
    response = sign_in(name).get(FAILURES)

    assert response.status_code == 200
    assert "LOG_TABLE_NAME is not set" in response.content.decode()


def test_the_page_answers_where_dynamodb_is_out_of_reach(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list, a look-up and a row say so, each with status 200."""
    client = sign_in("view_deliveryfailure")
    monkeypatch.setattr(stack_clients, "_made", None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    with override(LOG_TABLE_NAME="Log", REGION="eu-west-1"):
        answers = [client.get(FAILURES + more) for more in ("", "?insert_id=1", "row/?pk=1&sk=2")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert all("Could not connect" in answer.content.decode() for answer in answers)


def test_only_who_may_sees_failures_and_sends_again(sign_in: SignIn) -> None:
    """To look is one permission, to send again another."""
    client = sign_in("view_deliveryfailure")

    looked, sent = client.get(FAILURES), client.post(FAILURES + "redrive/", {"key": "1/" + "a" * 16})
    User.objects.get().user_permissions.clear()
    refused = client.get(FAILURES)

    assert (looked.status_code, sent.status_code, refused.status_code) == (200, 403, 403)


def test_nothing_is_sent_before_it_is_confirmed(sign_in: SignIn) -> None:
    """The first POST asks for a confirmation, a GET is refused, and invalid keys are dropped."""
    client = sign_in("redrive_deliveryfailure")
    key = "4711/" + "a" * 16

    got = client.get(FAILURES + "redrive/")
    asked_for = client.post(FAILURES + "redrive/", {"key": [key, "<nonsense>"]})
    confirmed = client.post(FAILURES + "redrive/", {"key": key, "confirmed": "1"})

    assert got.status_code == 405
    assert asked_for.context["keys"] == [key]
    assert "Send again" in asked_for.content.decode()
    assert "LOG_TABLE_NAME is not set" in confirmed.content.decode()


def test_the_old_log_is_paged_by_key_and_never_counted(sign_in: SignIn) -> None:
    """One query with a limit a page; the next page begins at the next key."""
    client = sign_in("view_log")
    Log.objects.bulk_create([Log(status_code=200, message="x" * 1000) for _ in range(150)])
    newest = Log.objects.order_by("-id").values_list("id", flat=True)[0]

    with CaptureQueriesContext(connection) as queries:
        first = client.get(LOG)
        second = client.get(LOG, {"from": first.context["older"]})

    ours = [q["sql"] for q in queries if '"whyness_mixpanel_log"' in q["sql"]]
    assert len(ours) == 2
    assert all("LIMIT 101" in sql and "COUNT" not in sql for sql in ours)
    assert [found["id"] for found in first.context["rows"]] == list(range(newest, newest - 100, -1))
    assert second.context["rows"][0]["id"] == newest - 100
    assert second.context["older"] is None


@pytest.mark.parametrize("text", ["x", "9" * 400, "-1", "0"])
def test_the_old_log_takes_any_text_for_an_id(sign_in: SignIn, text: str) -> None:
    """Neither text nor a number larger than the column breaks the page."""
    assert sign_in("view_log").get(LOG, {"from": text}).status_code == 200


def test_the_old_log_cannot_be_changed(sign_in: SignIn) -> None:
    """Not even by a superuser; a row can be read."""
    client = sign_in(is_superuser=True)
    kept = Log.objects.create(status_code=400, message="kept")

    shown = client.get(f"{LOG}{kept.pk}/change/")
    codes = [
        client.post(f"{LOG}{path}").status_code
        for path in (f"{kept.pk}/change/", f"{kept.pk}/delete/", "add/")
    ]

    assert "kept" in shown.content.decode()
    assert codes == [403, 403, 403]


def test_parked_events_are_released_if_they_keep_the_rules_now(sign_in: SignIn) -> None:
    """The others stay, with a reason."""
    client = sign_in("change_outbox")
    good = Outbox.objects.create(encoded=VALID, identity="distinct_id", state="parked", reason="was wrong")
    bad = Outbox.objects.create(encoded="{}", identity="distinct_id", state="parked", reason="is wrong")

    response = client.post(OUTBOX, {"action": "release", "_selected_action": [good.pk, bad.pk]}, follow=True)

    states = dict(Outbox.objects.values_list("pk", "state"))
    assert states == {good.pk: "pending", bad.pk: "parked"}
    assert "Released: 1" in response.content.decode()
    assert "Still parked: 1" in response.content.decode()


def test_who_may_only_look_at_the_outbox_releases_nothing(sign_in: SignIn) -> None:
    """The action is not there for them."""
    client = sign_in("view_outbox")
    kept = Outbox.objects.create(encoded=VALID, identity="distinct_id", state="parked", reason="why it waits")

    page = client.get(OUTBOX).content.decode()
    client.post(OUTBOX, {"action": "release", "_selected_action": [kept.pk]})

    assert "why it waits" in page
    assert Outbox.objects.get().state == "parked"


def test_only_parked_events_can_be_deleted(sign_in: SignIn) -> None:
    """What is pending was promised to be sent."""
    client = sign_in(is_superuser=True)
    rows = [
        Outbox.objects.create(encoded=VALID, identity="distinct_id", state=s) for s in ("pending", "parked")
    ]

    codes = [client.post(f"{OUTBOX}{one.pk}/delete/", {"post": "yes"}).status_code for one in rows]

    assert codes == [403, 302]
    assert list(Outbox.objects.values_list("state", flat=True)) == ["pending"]
