from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client, override_settings

from tests.builders import make_body, make_event
from tests.unit.ops.fake_sqs import DEAD, LIVE, FakeAws
from whyness_events.log_entry import log_key
from whyness_mixpanel.admin import stack_clients
from whyness_mixpanel.admin.redrive import redrive, seal
from whyness_ops import SetupFault, Snapshot, Stack

REDRIVE = "/admin/whyness_mixpanel/deliveryfailure/redrive/"
COUNT = 100
EVENTS = [make_event(insert_id=f"x{n}") for n in range(COUNT)]
KEYS = [str(log_key(event.to_wire(), message_id="m", position=0)) for event in EVENTS]


@pytest.fixture
def aws(db: None, monkeypatch: pytest.MonkeyPatch) -> FakeAws:  # noqa: ARG001  (it sets Django up)
    """A stack with dead letters, and slices of some 25 calls."""
    aws = FakeAws()
    for event, key in zip(EVENTS, KEYS, strict=True):
        aws.sqs.bury(f"id-{event.insert_id}", make_body(event), reason="rejected", log_key=key)
    monkeypatch.setattr(stack_clients, "shared", lambda: aws)
    monkeypatch.setattr("whyness_mixpanel.admin.redrive.read_stack", lambda: Stack(LIVE, DEAD, "Log"))
    clock = SimpleNamespace(monotonic=lambda: aws.sqs.now_ms / 1000)
    monkeypatch.setattr("whyness_mixpanel.admin.redrive.time", clock)
    monkeypatch.setattr("whyness_mixpanel.admin.failure_pages.redrive", partial(redrive, slice_s=0.5))
    return aws


@pytest.fixture
def browser(db: None) -> Iterator[Client]:  # noqa: ARG001  (the user is in it)
    """Somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create(username="ada", is_staff=True, is_superuser=True))
    with override_settings(ROOT_URLCONF="tests.admin_urls"):
        yield client


def die_again(entry: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Make it dead again with the key of its row."""
    key = entry["MessageAttributes"]["log_key"]["StringValue"]
    yield entry["MessageBody"], {"reason": "rejected", "log_key": key}


@pytest.mark.parametrize("dies_after", [0, 3, 30])
def test_slices_send_each_letter_once_while_all_come_back(
    aws: FakeAws, browser: Client, dies_after: int
) -> None:
    """The form carries when it began and what is sent; the last page says how many came back."""
    aws.sqs.die_again, aws.sqs.dies_after = die_again, dies_after
    form: dict[str, Any] = {"key": KEYS, "confirmed": "1"}
    pages: list[Any] = []

    while not pages or pages[-1].context["goes_on"]:
        pages.append(browser.post(REDRIVE, form))
        form["state"] = pages[-1].context["state"]
        aws.sqs.now_ms += 60_000  # somebody who presses "Continue" takes his time
        assert len(pages) < 20

    assert len(pages) > 2
    sent = Counter(entry["MessageBody"] for entry in aws.sqs.sent)
    assert sent == Counter(map(make_body, EVENTS))
    assert pages[-1].context["sent"] == COUNT
    came_back = pages[-1].context["report"].came_back
    assert came_back == COUNT or (dies_after and came_back)
    assert f"{came_back} came back, still failing" in pages[-1].content.decode()
    assert aws.sqs.visible == set(aws.sqs.messages)


def test_whoever_tries_again_after_a_fault_sends_none_twice(aws: FakeAws, browser: Client) -> None:
    """The page that says what failed carries on from there."""
    aws.sqs.die_again = die_again

    def fail(name: str) -> None:
        if name == "receive" and aws.sqs.sent:
            raise SetupFault("Not now.")

    aws.sqs.before = fail
    form: dict[str, Any] = {"key": KEYS, "confirmed": "1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whyness_mixpanel.admin.failure_pages.redrive", redrive)
        page = browser.post(REDRIVE, form)
        aws.sqs.before = lambda _: None
        last = browser.post(REDRIVE, {**form, "state": page.context["state"]})

    assert "Not now." in page.content.decode()
    assert (page.context["sent"], last.context["sent"]) == (10, COUNT)
    assert set(Counter(entry["MessageBody"] for entry in aws.sqs.sent).values()) == {1}


@pytest.mark.parametrize("kind", ["x", "9" * 100_000, "\0:\0:\0", "{}:1:2", "of another page", "altered"])
def test_a_state_that_is_not_ours_asks_again_and_sends_nothing(
    aws: FakeAws, browser: Client, kind: str
) -> None:
    """Only what this page has signed is believed, to the last character."""
    ours = seal(Snapshot(1_795_000_000_000, sent=set(KEYS[:1])), KEYS)
    made = {
        "of another page": [signing.dumps({"opened_ms": 10**30, "sent": KEYS}, salt="another")],
        "altered": [f"{ours[:n]}{'A' if ours[n] != 'A' else 'B'}{ours[n + 1 :]}" for n in range(len(ours))],
    }

    for state in made.get(kind, [kind]):
        page = browser.post(REDRIVE, {"key": KEYS, "confirmed": "1", "state": state})

        assert page.status_code == 200
        assert "will be moved from the dead-letter queue" in page.content.decode()
    assert aws.sqs.sent == []
