import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from local.mixpanel_simulator import MixpanelSimulator
from tests.builders import make_record
from tests.contract.record_golden import insert
from tests.contract.skew.golden import Recording, every_release, sent
from tests.django_support import published
from tests.integration.delivery.function import Function, counted
from whyness_mixpanel.backends import locmem
from whyness_mixpanel.models import Outbox

pytestmark = pytest.mark.usefixtures("db")


def run(*arguments: str) -> str:
    """Run the command, and return what it printed."""
    out = StringIO()
    call_command("mixpanel_outbox", *arguments, stdout=out)
    return out.getvalue()


def deliver_published(function: Function) -> None:
    """Hand what was published to the function."""
    invocation = function.invoke(*map(make_record, locmem.messages))
    assert invocation.failed_ids == []


@every_release
def test_pending_rows_are_drained_as_their_version_would_have_done(
    release: Recording, function: Function, mixpanel: MixpanelSimulator
) -> None:
    """Rows with that version's columns fit into the table, claimed or not, and none is left."""
    cases = release.outbox_of("pending")
    for case in cases.values():
        insert(case["row"])

    run("drain")

    deliver_published(function)
    assert len(published()) == len(cases)
    assert counted(mixpanel) == sent(cases.values())
    assert Outbox.objects.count() == 0


@every_release
def test_parked_rows_are_shown_and_released_where_they_keep_the_rules(
    release: Recording, function: Function, mixpanel: MixpanelSimulator
) -> None:
    """With the reason that the version wrote; what it would have kept parked stays so."""
    cases = release.outbox_of("parked")
    for case in cases.values():
        insert(case["row"])
    kept = {case["row"]["id"] for case in cases.values() if not case["is_released"]}

    run("drain")
    unreleased = published()
    text, figures = run("status"), json.loads(run("status", "--json"))["default"]
    with pytest.raises(CommandError):
        run("release", "--all")
    run("drain")

    assert unreleased == []
    assert all(case["row"]["reason"] in text for case in cases.values())
    assert (figures["pending"], figures["parked"]) == (0, len(cases))
    deliver_published(function)
    assert len(published()) == len(cases) - len(kept)
    assert counted(mixpanel) == sent(cases.values())
    assert set(Outbox.objects.values_list("id", "state")) == {(id_, "parked") for id_ in kept}
