"""The rows of single events are published, and no others."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.django_support import override
from tests.unit.django_app.rows import CREATED, make_activities, make_click
from whyness_mixpanel import sources
from whyness_mixpanel.models import Suppression
from whyness_mixpanel.sources.republish import Key, key_ranges, republish
from whyness_mixpanel.sources.source import Source

pytestmark = pytest.mark.usefixtures("db")
THREE = ("activity", "user-click", "contact-click")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def publish(
    *wanted: Key, settled: datetime = NOW, parks: Sequence[str] = (), names: Sequence[str] = THREE
) -> tuple[set[Key], dict[str, int]]:
    """Return the name and insert id of each event that was sent, and the counts."""
    sent: list[dict[str, str]] = []

    def send(encoded: Sequence[str]) -> Mapping[int, str]:
        events = [json.loads(event) for event in encoded]
        sent.extend(events)
        return {place: "why" for place, event in enumerate(events) if event["insert_id"] in parks}

    counts = Counter[str]()
    chosen = [sources.get(name) for name in names]
    republish(chosen, frozenset(wanted), send, counts, settled=settled)
    return {(event["event"], event["insert_id"]) for event in sent}, dict(counts)


def key_of(number: int, name: str = "Audio upload") -> Key:
    """Return what an activity is matched by."""
    return name, str(number)


def test_neighbours_and_equal_keys_of_other_tables_stay() -> None:
    """A bare key may be that of three tables; the event's name says of which."""
    rows = make_activities(4)
    clicks = [make_click(contact_id=8, is_prospect=is_prospect) for is_prospect in (True, False, True, False)]
    ids = [rows[1].pk, rows[3].pk, clicks[2].pk]

    sent, counts = publish(key_of(ids[0]), key_of(ids[1]), ("Prospect click", str(ids[2])))

    assert sent == {key_of(ids[0]), key_of(ids[1]), ("Prospect click", str(ids[2]))}
    assert counts == {"published": 3, "parked": 0, "suppressed": 0, "too_young": 0, "gone": 0}


def test_each_event_that_is_not_published_is_counted() -> None:
    """Suppressed and opted-out people, parked events, rows that are gone or too young."""
    ids = [row.pk for user in (7, 5, 6, 7, 7) for row in make_activities(1, user_id=user)]
    [young] = make_activities(1, created=NOW)
    Suppression.objects.create(user="5")

    with override(OPT_OUT=lambda users: users & {"6"}):
        sent, counts = publish(*map(key_of, (*ids, young.pk, 9_999)), parks=[str(ids[3])])

    assert sent == {key_of(ids[0]), key_of(ids[3]), key_of(ids[4])}
    assert counts == {"published": 2, "parked": 1, "suppressed": 2, "too_young": 1, "gone": 1}


def test_only_chosen_sources_are_read() -> None:
    """A table that nobody audited is left."""
    [row] = make_activities(1)

    assert publish(key_of(row.pk), names=["user-click"])[0] == set()


@pytest.mark.parametrize(
    ("insert_ids", "ranges"),
    [
        ([], []),
        (["5", "7", "6"], [(5, 7)]),
        (["1", "1000", "1001", "90000"], [(1, 1000), (1001, 1001), (90000, 90000)]),
        (["-1", "0"], [(-1, 0)]),
        (["activity-5", "shop-5", "5a", "", " 5"], []),
    ],
)
def test_keys_are_read_page_by_page(insert_ids: list[str], ranges: list[tuple[int, int]]) -> None:
    """And an insert id of another kind is of no row."""
    assert key_ranges(sources.get("activity"), iter(insert_ids)) == ranges


def test_the_name_of_a_source_is_part_of_its_insert_ids() -> None:
    """Others do not count."""
    shop = Source(name="shop-2", model="shop.Payment", build=lambda _: None)  # type: ignore[arg-type,return-value]

    assert key_ranges(shop, iter(["shop-2-7", "shop-2--7", "shop-27", "7", "xshop-2-7"])) == [(-7, 7)]


def test_older_rows_are_sent_as_they_were() -> None:
    """With the time in seconds, before HISTORY_BEFORE."""
    [row] = make_activities(1)
    with override(HISTORY_BEFORE=CREATED + timedelta(days=1)):
        assert publish(key_of(row.pk))[0] == {key_of(row.pk)}
