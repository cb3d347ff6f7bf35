from collections.abc import Iterator
from datetime import date
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connections
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.django_support import override
from tests.hostile import rows
from tests.unit.ops.fake_sqs import FakeAws
from whyness_mixpanel.admin import log_filters, stack_clients
from whyness_mixpanel.models import Log, Outbox
from whyness_mixpanel.views import health

FAILURES = "/admin/whyness_mixpanel/deliveryfailure/"
LOG = "/admin/whyness_mixpanel/log/"
OUTBOX = "/admin/whyness_mixpanel/outbox/"
TEXTS = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "7", "9" * 18, "9" * 5_000, "0" * 5_000, "٣", "²", "1e9", "x", "\0", "%", "'"]
    ),
    st.sampled_from(["0001-01-01", "9999-12-31", "2026-W01-1", "2026-02-30", "20261123", "-0001-01-01"]),
    st.text(max_size=20),
)
QUERY = st.dictionaries(
    st.sampled_from(["day", "period", "reason", "state", "event", "p", "insert_id", "pk", "sk", "from"]),
    TEXTS,
)
PAGES = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30
)

urlpatterns = [path("mixpanel/", include("whyness_mixpanel.urls"))]


@pytest.fixture
def aws(db: None, monkeypatch: pytest.MonkeyPatch) -> FakeAws:  # noqa: ARG001  (it sets Django up)
    """The stack that the admin asks."""
    aws = FakeAws()
    monkeypatch.setattr(stack_clients, "shared", lambda: aws)
    return aws


@pytest.fixture
def browser(aws: FakeAws) -> Iterator[Client]:  # noqa: ARG001  (it is asked)
    """Somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create(username="ada", is_staff=True, is_superuser=True))
    with override_settings(ROOT_URLCONF="tests.admin_urls"), override(LOG_TABLE_NAME="Log"):
        yield client


@PAGES
@given(items=st.lists(rows(), max_size=4), query=QUERY)
def test_no_row_and_no_address_breaks_a_page(
    aws: FakeAws, browser: Client, items: list[dict[str, Any]], query: dict[str, str]
) -> None:
    """List, chart, look-up and row show what they can."""
    aws.dynamodb.items = items
    one = {name: items[0].get(name, {}).get("S", "") for name in ("pk", "sk")} if items else {}

    pages = [
        browser.get(FAILURES, {"period": "1"}),
        browser.get(FAILURES, query),
        browser.get(FAILURES, {"insert_id": "x"}),
        browser.get(f"{FAILURES}row/", one),
        browser.get(f"{FAILURES}row/", query),
        browser.get(LOG, query),
    ]

    assert [page.status_code for page in pages] == [200] * len(pages)


@given(query=QUERY, today=st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
def test_any_query_asks_for_something(query: dict[str, str], today: date) -> None:
    """Days, a page from 1 on, and what could not be read is named."""
    question = log_filters.LogFilters.read(query, today=today)

    assert question.days
    assert question.page >= 1
    assert log_filters.LogFilters.read(dict(question_pairs(question)), today=today).days == question.days


def question_pairs(question: log_filters.LogFilters) -> list[tuple[str, str]]:
    """Return its address's query as pairs."""
    return [(name, value) for name, _, value in (pair.partition("=") for pair in question.query().split("&"))]


HUGE = ["0", "-1", "x", "9" * 19, "9" * 400, "9" * 5_000, "٣", "2147483648", "9223372036854775808"]


@pytest.mark.parametrize("key", HUGE)
def test_any_text_is_taken_for_an_id(browser: Client, key: str) -> None:
    """Of a row of the outbox or of the old log: a page, or the way back, and no fault."""
    Log.objects.create(status_code=1, message="x")
    Outbox.objects.create(encoded="{}", identity="distinct_id", state="parked", reason="r")

    codes = [
        browser.get(f"{table}{key}/{page}/").status_code for table in (LOG, OUTBOX) for page in ("change",)
    ]
    codes += [
        browser.get(OUTBOX, {name: key}).status_code for name in ("p", "o", "q", "state__exact", "id", "e")
    ]
    action = {"action": "release", "_selected_action": [key], "select_across": key, "index": key}
    codes.append(browser.post(OUTBOX, action).status_code)
    redrive = {"key": [key, f"{key}/{'a' * 16}"], "state": key, "confirmed": key, "sent": key}
    codes.append(browser.post(f"{FAILURES}redrive/", redrive).status_code)

    assert set(codes) <= {200, 302, 404}


def ask(query: str) -> int:
    """Return the status of the health view, as a server has it."""
    with override_settings(ROOT_URLCONF=__name__):
        return Client(raise_request_exception=False).get(f"/mixpanel/health/?{query}").status_code


@PAGES
@given(text=TEXTS, name=st.sampled_from(["max_age_s", "max_age_s[]", "x"]))
@pytest.mark.usefixtures("db")
def test_no_query_breaks_the_health_view(text: str, name: str) -> None:
    """It is an answer to a monitor, whatever the monitor asks."""
    response = health(RequestFactory().get("/", {name: text}))

    assert response.status_code in (200, 400)


@pytest.mark.parametrize(
    "query",
    [
        f"max_age_s={'9' * 5_000}",
        f"max_age_s={'9' * 100_000}",
        "max_age_s=1&max_age_s=x",
        "max_age_s=x&max_age_s=1",
        "max_age_s=%D9%A3",
        "max_age_s=%FF%FE",
        "max_age_s=1%00",
        "max_age_s=1%0A",
        "max_age_s=-1",
        "max_age_s=1.5",
        "max_age_s",
        "&&=&%",
        "&".join(f"a{n}=1" for n in range(1_001)),
    ],
)
@pytest.mark.usefixtures("db")
def test_no_address_breaks_the_health_view(query: str) -> None:
    """Repeated, endless, in other digits, or no UTF-8."""
    Outbox.objects.create(encoded="{}", identity="distinct_id")

    assert ask(query) in (200, 400)


def drop_the_table() -> None:
    """Leave the site as before `migrate`."""
    with connections["other"].cursor() as cursor:
        cursor.execute("ALTER TABLE whyness_mixpanel_outbox RENAME TO gone")


def damage_a_row() -> None:
    """Write an invalid time."""
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE whyness_mixpanel_outbox SET created_at = '2026-13-45 10:00:00'")


def restore() -> None:
    """Undo it."""
    with connections["other"].cursor() as cursor:
        if "gone" in connections["other"].introspection.table_names(cursor):
            cursor.execute("ALTER TABLE gone RENAME TO whyness_mixpanel_outbox")


@pytest.mark.parametrize(("damage", "status"), [(drop_the_table, 200), (damage_a_row, 503)])
@pytest.mark.usefixtures("db")
def test_a_database_that_is_not_as_it_should_be_is_an_answer(damage: Any, status: int) -> None:
    """A database without the table has no outbox; one that cannot be read is 503."""
    Outbox.objects.create(encoded="{}", identity="distinct_id")

    damage()
    try:
        assert ask("") == status
    finally:
        restore()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("atomic", [True, False])
def test_a_database_that_is_locked_or_away_is_503(*, atomic: bool) -> None:
    """Also where the site wraps each request in a transaction."""

    def refuse(*_: object) -> None:
        raise OperationalError("database is locked")

    connection = connections["default"]
    with (
        patch.dict(connection.settings_dict, {"ATOMIC_REQUESTS": atomic}),
        connection.execute_wrapper(refuse),
        patch.object(type(connection), "set_autocommit", refuse),
    ):
        assert ask("") == 503


def test_the_health_view_takes_no_request_for_what_it_is_not(db: None) -> None:  # noqa: ARG001
    """A POST is refused."""
    assert health(RequestFactory().post("/")).status_code == 405
