"""A row becomes an update, or is refused by field and reason; whatever `build` returns."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError
from hypothesis import example, given
from hypothesis import strategies as st

from whyness_events.values import longer_than, size_bytes
from whyness_mixpanel.people import Profile
from whyness_mixpanel.people.profile import MIXPANELS, PERSONAL
from whyness_mixpanel.people.update import Project, Refused, Renderer, Update, check_size
from whyness_mixpanel.privacy.scrubber import REMOVED, Scrubber

PROJECT = Project("https://mixpanel.com", "project-token", "distinct_id")
scrub = Scrubber(("password",), ("sk_live_[a-z0-9]+",)).scrub
SECRET = "hunter2-secret"


def render(
    build: Callable[[Any], Any] | dict[str, Any], *, key: int = 7, project: Project = PROJECT, **fields: Any
) -> Update | Refused:
    """Return what becomes of a row from which `build` makes something."""
    make = build if callable(build) else lambda _: build
    profile = Profile(name="user", model="whyness_django.AuthUser", build=make, **fields)
    return Renderer(profile, project, scrub).render(key, object())


def sent(update: Update | Refused, project: Project = PROJECT) -> dict[str, Any]:
    """Return the operators of an update, each with its value."""
    assert isinstance(update, Update), update
    operators: dict[str, Any] = {}
    for text in project.objects(update):
        document = json.loads(text)
        assert document.pop("$token") == project.token
        assert document.pop("$distinct_id") == project.distinct_id(update.person)
        assert document.pop("$ip") == "0"
        assert document.pop("$ignore_time") is True
        [(operator, value)] = document.items()
        operators[operator] = value
    return operators


def test_update_says_who_it_is_and_of_which_kind() -> None:
    """Mixpanel's canonical id may be another than the one that events have."""
    assert sent(render({"plan": "pro"})) == {"$set": {"plan": "pro", "person": "7", "kind": "user"}}


def test_what_is_none_or_retired_is_removed() -> None:
    """Also a retired name that `build` still returns."""
    update = render({"plan": None, "old": 1, "seats": 3}, retired=("old", "$phone"))

    assert sent(update) == {
        "$set": {"seats": 3, "person": "7", "kind": "user"},
        "$unset": ["$phone", "old", "plan"],
    }


def test_names_of_mixpanel_are_allowed_where_they_should_be() -> None:
    """Those of a person only where the declaration says that they are personal."""
    everything = dict.fromkeys(sorted(MIXPANELS | PERSONAL), "x")

    assert sent(render(everything, personal=tuple(PERSONAL)))["$set"].items() > everything.items()
    for name in sorted(PERSONAL):
        refused = render(everything, personal=tuple(PERSONAL - {name}))
        assert isinstance(refused, Refused)
        assert refused.reason.startswith(f"{name}: found a name of Mixpanel's that personal does not name")


@pytest.mark.parametrize(
    ("built", "reason"),
    [
        ({"$os": "x"}, "$os: found a reserved name"),
        ({"$current_url": "x"}, "$current_url: found a reserved name"),
        ({"mp_lib": "x"}, "mp_lib: found a reserved name"),
        ({"person": "8"}, "person: found a reserved name"),
        ({"kind": "x"}, "kind: found a reserved name"),
        ({"distinct_id": "8"}, "distinct_id: found a name that Mixpanel reserves"),
        ({"bucket": "8"}, "bucket: found a name that Mixpanel reserves"),
        ({"": 1}, ": found an empty string"),
        ({"n" * 256: 1}, "nnn"),
        ({1: "x"}, "<int>: found a key that is an int"),
        ({"a": b"x"}, "a: found a bytes"),
        ({"a": float("nan")}, "a: found NaN"),
        ({"a": 2**53 + 1}, "a: found an integer beyond"),
        ({"a": "\ud800"}, "a: found a string that is not valid UTF-8"),
        ({"\ud800": "a"}, "found a string that is not valid UTF-8"),
        ({"a": [[[[1]]]]}, "a: found 4 levels"),
        ({"a": list(range(255))}, "a: found an array of 255"),
        ({"a": ["x" * 200] * 50}, "a: found an object or array of"),
        ({str(number): 1 for number in range(231)}, "properties: found an object of 231 keys"),
        (None, "build: found a NoneType; allowed: a dictionary"),
        ([], "build: found a list; allowed: a dictionary"),
        ("plan", "build: found a str; allowed: a dictionary"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_row_that_breaks_a_rule_is_refused_with_field_and_reason(built: Any, reason: str) -> None:
    """And no value is shown."""
    refused = render(built)

    assert isinstance(refused, Refused)
    assert reason in refused.reason
    assert (refused.key, refused.person) == (7, "7")


def test_whatever_build_raises_is_the_fault_of_the_row() -> None:
    """Its text may quote values."""

    def build(_: Any) -> dict[str, Any]:
        raise ValueError(SECRET)

    assert render(build) == Refused(7, "7", "build: found ValueError; allowed: a dictionary")


def test_database_that_fails_is_no_fault_of_the_row() -> None:
    """The pass decides: it asks the database for the row again."""

    def build(_: Any) -> dict[str, Any]:
        raise DataError

    with pytest.raises(DataError):
        render(build)


@pytest.mark.parametrize("key", [0, -1])
def test_ids_that_mixpanel_takes_for_placeholders_are_refused(key: int) -> None:
    """It would put all their owners together."""
    assert isinstance(render({}, key=key), Refused)
    assert isinstance(render({}, key=key, prefix="p:"), Update)


def test_long_texts_are_cut_as_mixpanel_cuts_them() -> None:
    """At a character, at any depth."""
    update = render({"bio": "é" * 200, "more": ["x" * 300], "short": "é"})

    assert sent(update)["$set"]["bio"] == "é" * 127
    assert sent(update)["$set"]["more"] == ["x" * 255]
    assert sent(update)["$set"]["short"] == "é"


def test_secrets_are_removed() -> None:
    """As from events."""
    update = render({"password": SECRET, "note": f"password={SECRET}", "nested": {"key": "sk_live_abc1"}})

    assert sent(update)["$set"]["password"] == REMOVED
    assert SECRET not in str(sent(update))
    assert sent(update)["$set"]["nested"] == {"key": REMOVED}


def test_values_are_those_of_the_table() -> None:
    """Python's and Django's ordinary values."""
    update = render(
        {"since": datetime(2026, 1, 2, 3, tzinfo=UTC), "price": Decimal("1.5"), "tags": {"b", "a"}}
    )

    assert sent(update)["$set"]["since"] == "2026-01-02T03:00:00+00:00"
    assert sent(update)["$set"]["price"] == 1.5
    assert sent(update)["$set"]["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("identity", "prefix", "distinct_id"),
    [
        ("distinct_id", "", "45"),
        ("distinct_id", "p:", "p:45"),
        ("simplified", "", "45"),
        ("simplified", "p:", "$device:p-45"),
        ("simplified", "org:", "org:45"),
    ],
)
def test_profile_is_under_the_id_of_the_events(identity: str, prefix: str, distinct_id: str) -> None:
    """Under `simplified` a prospect is a device."""
    project = Project("https://mixpanel.com", "project-token", identity)

    update = render({}, key=45, prefix=prefix, project=project)

    assert isinstance(update, Update)
    assert json.loads(project.objects(update)[0])["$distinct_id"] == distinct_id
    assert sent(update, project)["$set"]["person"] == f"{prefix}45"


@pytest.mark.parametrize(
    "other",
    [
        lambda: render({"plan": "free"}),
        lambda: render({"plan": None}),
        lambda: render({"plan": "pro"}, key=8),
        lambda: render({"plan": "pro"}, retired=("x",)),
        lambda: render({"plan": "pro"}, project=Project(PROJECT.url, "other-token", "distinct_id")),
        lambda: render(
            {"plan": "pro"}, project=Project("https://eu.mixpanel.com", PROJECT.token, "distinct_id")
        ),
        lambda: render({"plan": "pro"}, key=7, prefix="p:"),
    ],
)
def test_digest_differs_with_all_that_is_sent(other: Callable[[], Update]) -> None:
    """Also with the project and its region: what another one has is not sent."""
    update = render({"plan": "pro"})

    assert isinstance(update, Update)
    assert update.digest == render({"plan": "pro"}).digest  # type: ignore[union-attr]
    assert other().digest != update.digest


def test_digest_does_not_depend_on_the_order_of_the_properties() -> None:
    """A dictionary that is made in another order is no change."""
    first, second = render({"a": 1, "b": {"c": 1, "d": 2}}), render({"b": {"d": 2, "c": 1}, "a": 1})

    assert first == second


def test_profile_that_fits_into_no_request_is_refused() -> None:
    """230 properties of 8 kB are twice a request."""
    refused = render({f"name {number}": ["x" * 250] * 30 for number in range(230)})

    assert isinstance(refused, Refused)
    assert "properties: found a profile of" in refused.reason
    check_size(["x" * 999_998])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.sets(st.text()),
    max_leaves=6,
)
NAMES = st.text(max_size=8) | st.sampled_from(sorted(MIXPANELS | PERSONAL | {"person", "$os", "plan"}))


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.sets(st.sampled_from(sorted(PERSONAL))))
@example({"a": "é" * 128, "b": ["x" * 256]}, set())
@example({"a": "password=x" + "a" * 240}, set())
def test_any_row_is_sent_within_the_rules_or_refused(built: dict[str, Any], personal: set[str]) -> None:
    """Nothing is raised; what is sent is JSON, under a name and a size that Mixpanel takes."""
    update = render(built, personal=tuple(personal))

    if isinstance(update, Refused):
        assert ": found " in update.reason
        return
    operators = sent(update)
    shown, gone = operators["$set"], operators.get("$unset", [])
    assert shown.keys() - {"person", "kind"} | set(gone) == set(built)
    assert not shown.keys() & set(gone)
    assert None not in shown.values()
    assert not (set(built) & PERSONAL) - personal
    assert not [text for text in texts(shown) if longer_than(text, 255)]
    assert sum(map(size_bytes, PROJECT.objects(update))) < 1_000_000


def texts(value: Any) -> list[str]:
    """Return all texts in a value, names too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for member in pair for text in texts(member)]
    return [text for member in value for text in texts(member)] if isinstance(value, list) else []


def test_deletions_name_every_spelling() -> None:
    """A prospect may have been sent in either mode."""
    ids = [json.loads(text)["$distinct_id"] for text in PROJECT.deletes("p:45")]

    assert ids == ["p:45", "$device:p-45", "p-45"]
    assert all("$delete" in text for text in PROJECT.deletes("p:45"))
