"""`manage.py mixpanel_profiles verify`: what the simulator shows after a pass, against the tables."""

import json
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from example.whyness_django.models import AuthUser
from local.mixpanel_simulator import MixpanelSimulator, Project
from tests.django_support import override
from whyness_mixpanel.models import PersonLease, PersonState, Suppression
from whyness_mixpanel.people import profile as registry
from whyness_mixpanel.people import query, update
from whyness_ops import Stop
from whyness_ops.audit import export_pace

ACCOUNT, PASSWORD, TOKEN = "account-of-verify", "MARKER-password", "tok"
SECRET = "MARKER-value"
LONG_AGO = timedelta(hours=7)

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def mixpanel(monkeypatch: pytest.MonkeyPatch) -> Iterator[MixpanelSimulator]:
    """A project with small pages, and a site that sends to it, with users 2 to 6; nothing is waited for."""
    monkeypatch.setattr(query, "_WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(export_pace, "_LIMITS", ((60, 3_600.0),))
    monkeypatch.setenv("AUDIT_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("AUDIT_PASSWORD", PASSWORD)
    described: dict[str, Any] = {
        "projects": (Project(project_id="123", token=TOKEN),),
        "account": ACCOUNT,
        "password": PASSWORD,
        "query_page_size": 2,
    }
    AuthUser.objects.bulk_create(
        AuthUser(id=key, uid=f"u{key}", name=f"{SECRET} {key}") for key in range(2, 7)
    )
    with (
        MixpanelSimulator(**described) as simulator,
        override(BACKEND="mixpanel", MIXPANEL_URL=simulator.url, PROJECT_ID=123, PROJECT_TOKEN=TOKEN),
    ):
        mark = update.Project.from_settings().mark
        PersonLease.objects.create(proven=mark)  # as if a pass had asked already
        yield simulator


@pytest.fixture(autouse=True)
def _profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the users of the example have profiles."""
    user = registry.Profile(
        name="user",
        model="whyness_django.AuthUser",
        build=lambda row: {"$name": row.name, "uid": row.uid, "vip": True if row.uid == "u3" else None},
        personal=("$name",),
    )
    monkeypatch.setattr(registry, "_profiles", {"user": user})


def sync() -> None:
    """Make a pass, and let what it confirmed be of long ago."""
    call_command("mixpanel_profiles", "sync", stdout=StringIO())
    PersonState.objects.update(sent_at=F("sent_at") - LONG_AGO)


def verify(*options: str) -> tuple[int, list[str], dict[str, int]]:
    """Return the exit code, the faults and the counts; no value is printed."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command("mixpanel_profiles", "verify", *options, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    assert "MARKER" not in out.getvalue() + err.getvalue()
    *faults, counts = out.getvalue().splitlines() or ["{}"]
    return code, sorted(faults), {name: count for name, count in json.loads(counts).items() if count}


def change(mixpanel: MixpanelSimulator, person: str, **operator: Any) -> None:
    """Change a profile as a hand in Mixpanel would."""
    named = {f"${name}": value for name, value in operator.items()}
    body = json.dumps([{"$token": TOKEN, "$distinct_id": person, **named}]).encode()
    assert mixpanel.core.handle_engage({}, {"ip": "0"}, body).body == b"1"


def test_after_a_pass_all_profiles_are_as_they_should_be(mixpanel: MixpanelSimulator) -> None:
    """On three pages; a profile that is not of this site, or has more, is none of our business."""
    sync()
    change(mixpanel, "browser", set={"$browser": "Chrome"})
    change(mixpanel, "3", set={"by hand": 1})

    assert verify() == (0, [], {"matched": 5})
    assert mixpanel.stats()["query"]["requests"] == 3


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda mixpanel: change(mixpanel, "2", delete=""), "missing: user 2"),
        (lambda mixpanel: change(mixpanel, "2", set={"uid": "other"}), "different: user 2: uid"),
        (lambda mixpanel: change(mixpanel, "2", unset=["uid", "$name"]), "different: user 2: $name, uid"),
        (lambda mixpanel: change(mixpanel, "2", set={"vip": 1}), "different: user 2: vip"),
        (lambda mixpanel: change(mixpanel, "3", set={"vip": 1}), "different: user 3: vip"),
        (lambda mixpanel: change(mixpanel, "2", set={"uid": ["u2"]}), "different: user 2: uid"),
        (lambda mixpanel: change(mixpanel, "2", set={"kind": "x"}), "different: user 2: kind"),
        (lambda mixpanel: change(mixpanel, "77", set={"person": "77"}), "unwanted: user 77"),
        (lambda _: Suppression.objects.create(user="4"), "unwanted: user 4"),
        (lambda _: AuthUser.objects.filter(id=5).delete(), "unwanted: user 5"),
    ],
)
def test_each_fault_is_named_and_repaired_by_the_next_pass(
    mixpanel: MixpanelSimulator, spoil: Callable[[MixpanelSimulator], object], fault: str
) -> None:
    """By person and property, never by value; without `--repair` nothing changes."""
    sync()
    spoil(mixpanel)

    first, again = verify(), verify("--repair")
    sync()

    assert first[:2] == again[:2] == (1, [fault])
    assert verify()[:2] == (0, [])


@pytest.mark.parametrize("person", ["x:5", "9" * 19, "9" * 40, "-1-", "", 5, None])
def test_profile_of_no_registered_kind_is_counted(mixpanel: MixpanelSimulator, person: object) -> None:
    """Whatever its `person` is, which is not shown."""
    sync()
    change(mixpanel, "stranger", set={"person": person})

    assert verify() == (1, [], {"matched": 5, "unknown": 1})


def test_profile_under_the_id_of_another_identity_mode_is_named(
    mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays where the mode changes: the next pass writes another, and this one is counted no more."""
    prospect = registry.Profile(
        name="prospect",
        model="whyness_django.AuthUser",
        prefix="p:",
        build=lambda row: {"uid": row.uid},
    )
    monkeypatch.setattr(registry, "_profiles", {"prospect": prospect})
    AuthUser.objects.filter(id__gt=2).delete()
    sync()
    with override(
        BACKEND="mixpanel",
        MIXPANEL_URL=mixpanel.url,
        PROJECT_ID=123,
        PROJECT_TOKEN=TOKEN,
        IDENTITY="simplified",
    ):
        sync()

        assert verify() == (1, ["second: prospect p:2"], {"matched": 1, "second": 1})


def test_second_profile_of_a_person_is_named(mixpanel: MixpanelSimulator) -> None:
    """On the same page or another, whatever its id."""
    sync()
    change(mixpanel, "4", set={"person": "5", "uid": "u5", "$name": f"{SECRET} 5"})
    change(mixpanel, "99", set={"person": "2"})

    assert verify() == (
        1,
        ["missing: user 4", "second: user 2", "second: user 5"],
        {"matched": 4, "missing": 1, "second": 2},
    )


def test_what_was_confirmed_lately_is_not_judged(mixpanel: MixpanelSimulator) -> None:
    """Nor who is unsure, nor a row that has changed since, nor one that is refused or was never sent."""
    sync()
    for key in range(2, 7):
        change(mixpanel, str(key), delete="")
    change(mixpanel, "5", set={"person": "5"})
    PersonState.objects.filter(key=2).update(sent_at=F("sent_at") + LONG_AGO)
    PersonState.objects.filter(key=3).update(unsure_at=F("sent_at"))
    PersonState.objects.filter(key=4).update(state="refused", reason="of old")
    AuthUser.objects.filter(id=5).update(uid="changed")
    PersonState.objects.filter(key=6).delete()

    assert verify() == (0, [], {"waiting": 1})


def test_person_who_is_deleted_lately_is_not_unwanted(mixpanel: MixpanelSimulator) -> None:
    """Mixpanel may show the profile for some hours."""
    sync()
    AuthUser.objects.filter(id=5).delete()
    sync()
    change(mixpanel, "5", set={"person": "5"})
    assert verify()[1] == ["unwanted: user 5"]
    PersonState.objects.filter(key=5).update(sent_at=F("sent_at") + LONG_AGO)

    assert verify() == (0, [], {"matched": 4, "waiting": 1})


def test_it_goes_on_where_it_was_stopped(mixpanel: MixpanelSimulator, tmp_path: Path) -> None:
    """With what was judged before, in a private file without values; at the end the file is gone."""
    file = tmp_path / "verify.json"
    sync()
    change(mixpanel, "2", set={"uid": "other"})
    change(mixpanel, "6", delete="")
    whole = verify()
    mixpanel.configure(query_per_hour=mixpanel.stats()["query"]["requests"] + 1)

    stopped = verify("--resume", str(file))
    kept, mode = file.read_text(), stat.S_IMODE(file.stat().st_mode)
    mixpanel.configure(query_per_hour=60)
    asked = mixpanel.stats()["query"]["requests_by_outcome"]["200"]
    resumed = verify("--resume", str(file))

    assert stopped == (2, [], {})
    assert mode == 0o600
    assert "MARKER" not in kept
    assert "other" not in kept
    assert resumed == whole == (1, ["different: user 2: uid", "missing: user 6"], {
        "different": 1, "matched": 3, "missing": 1})  # fmt: skip
    assert mixpanel.stats()["query"]["requests_by_outcome"]["200"] == asked + 1
    assert not file.exists()


@pytest.mark.parametrize("content", ["", "[]", "5", '{"session": "s"}', "no json"])
def test_file_of_something_else_is_left_alone(
    mixpanel: MixpanelSimulator, tmp_path: Path, content: str
) -> None:
    """Nothing is asked."""
    file = tmp_path / "important.txt"
    file.write_text(content)

    assert verify("--resume", str(file))[0] == 2
    assert file.read_text() == content
    assert mixpanel.stats()["query"]["requests"] == 0


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        ({"status": 401}, 1),
        ({"status": 404}, 1),
        ({"status": 429}, 4),
        ({"status": 503}, 4),
        ({"connection": "reset"}, 4),
        ({"cut": True}, 4),
        ({"status": 200, "body": "<html>"}, 4),
        ({"status": 200, "body": {"results": []}}, 4),
        ({"status": 200, "body": {"results": [5], "session_id": "s", "total": 1, "page_size": 1}}, 4),
        ({"status": 200, "body": {"results": [], "session_id": "s", "total": 5, "page_size": 2}}, 4),
        ({"status": 200, "body": {"results": [], "session_id": "s", "total": 0, "page_size": 0}}, 4),
    ],
)
def test_what_cannot_be_read_is_not_judged(
    mixpanel: MixpanelSimulator, fault: dict[str, Any], tries: int
) -> None:
    """Nobody is reported as missing; what may pass is tried again."""
    sync()
    mixpanel.faults.add(api="query", **fault)

    assert verify() == (2, [], {})
    assert mixpanel.stats()["query"]["requests"] == tries


def test_page_that_fails_at_times_is_asked_for_again(mixpanel: MixpanelSimulator) -> None:
    """The session goes on."""
    sync()
    mixpanel.faults.add(api="query", status=503, next_requests=1)

    assert verify() == (0, [], {"matched": 5})


def test_nobody_is_judged_while_it_is_unknown_who_may_have_a_profile(mixpanel: MixpanelSimulator) -> None:
    """As where OPT_OUT raises."""
    sync()

    def fail(_: object) -> set[str]:
        raise LookupError("MARKER")

    with override(
        BACKEND="mixpanel", MIXPANEL_URL=mixpanel.url, PROJECT_ID=123, PROJECT_TOKEN=TOKEN, OPT_OUT=fail
    ):
        assert verify() == (2, [], {})


def test_repair_waits_for_whoever_sends(mixpanel: MixpanelSimulator) -> None:
    """Nothing is changed without the lease."""
    sync()
    change(mixpanel, "2", delete="")
    PersonLease.objects.update(owner="other", until=F("until") + timedelta(seconds=60))

    assert verify("--repair")[0] == 1
    assert not PersonState.objects.filter(unsure_at__isnull=False).exists()


def test_without_a_service_account_nothing_is_asked(
    mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says which variables to set."""
    monkeypatch.delenv("AUDIT_ACCOUNT")

    assert verify()[0] == 2
    assert mixpanel.stats()["query"]["requests"] == 0


def test_it_waits_where_mixpanel_limits_queries(
    mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visibly, and no longer than needed."""
    sync()
    waited: list[float] = []
    monkeypatch.setattr(export_pace, "_LIMITS", ((2, 3_600.0),))
    monkeypatch.setattr(Stop, "wait", lambda _, seconds: waited.append(seconds))
    err = StringIO()

    call_command("mixpanel_profiles", "verify", stdout=StringIO(), stderr=err)

    assert [round(seconds) for seconds in waited] == [3_600]
    assert "Waiting 3600 s: Mixpanel allows 60 queries an hour." in err.getvalue()
    assert mixpanel.stats()["query"]["requests"] == 3


def test_it_stops_between_two_pages(mixpanel: MixpanelSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of a signal, and nothing judged."""
    sync()
    monkeypatch.setattr(Stop, "is_set", lambda _: mixpanel.stats()["query"]["requests"] >= 1)

    assert verify() == (130, [], {})
    assert mixpanel.stats()["query"]["requests"] == 1
