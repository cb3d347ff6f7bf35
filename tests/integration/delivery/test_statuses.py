"""Every answer that Mixpanel, or something in between, can give to a request as a whole."""

from email.utils import formatdate

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.integration.delivery.function import Function, counted, records_of, sent
from whyness_events.delivery.sending import sender

EXPECTED = {
    "setup": (301, 302, 307, 308, 401, 402, 403, 404, 405, 413, 415, 418, 422, 451),
    "retry": (204, 408, 425, 500, 501, 502, 503, 504, 520),
    "throttled": (429,),
}
CASES = [(status, reason) for reason, statuses in EXPECTED.items() for status in statuses]

NO_REPORT = {
    "html": "<html><body>Sign in to the network</body></html>",
    "empty": "",
    "array": [],
    "lenient answer": "1",
    "cut JSON": '{"code":200,"num_records_imp',
    "no count": {"code": 200, "status": "OK"},
    "count as text": {"code": 200, "status": "OK", "num_records_imported": "3"},
    "count as boolean": {"code": 200, "status": "OK", "num_records_imported": True},
    "count too low": {"code": 200, "status": "OK", "num_records_imported": 0},
    "count too high": {"code": 200, "status": "OK", "num_records_imported": 4},
    "deep nesting": "[" * 100_000,
}


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries inside the invocation come at once."""
    monkeypatch.setattr(sender, "BACKOFF_S", 0.0)
    monkeypatch.setattr(sender, "JITTER_S", (0.0, 0.0))


@pytest.mark.parametrize(("status", "reason"), CASES)
def test_a_status_dead_letters_nothing_and_is_named(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, status: int, reason: str
) -> None:
    """Every status has its outcome, every record comes back, and later each event counts once."""
    events, records = records_of(3)
    fault = mixpanel.faults.add(status=status)

    first = function.invoke(*records)
    mixpanel.faults.remove(fault)
    second = function.invoke(*records)

    assert first.outcomes == {reason: 3}
    assert sorted(first.failed_ids) == sorted(record.message_id for record in records)
    assert str(status) in first.details[reason]
    assert second.failed_ids == []
    assert counted(mixpanel) == sent(events)
    assert aws.dead_letters == []


@pytest.mark.parametrize("ingest", [False, True], ids=["not imported", "imported"])
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in NO_REPORT.items()])
def test_a_200_without_numbers_that_add_up_is_no_success(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, body: object, *, ingest: bool
) -> None:
    """Whatever says 200 acknowledges nothing by that alone, and later each event counts once."""
    events, records = records_of(3)
    fault = mixpanel.faults.add(status=200, body=body, ingest=ingest)

    first = function.invoke(*records)
    mixpanel.faults.remove(fault)
    second = function.invoke(*records)

    assert len(first.failed_ids) == 3
    assert first.outcomes.keys() <= {"retry", "setup"}
    assert second.failed_ids == []
    assert counted(mixpanel) == sent(events)
    assert aws.dead_letters == []


@pytest.mark.parametrize("count", ["short", "missing"])
@pytest.mark.parametrize("ingest", [False, True], ids=["not imported", "imported"])
def test_one_200_that_does_not_add_up_is_settled_in_the_same_invocation(
    function: Function, mixpanel: MixpanelSimulator, count: str, *, ingest: bool
) -> None:
    """The events go again in smaller requests, and only those answers decide."""
    events, records = records_of(4)
    mixpanel.faults.add(next_requests=1, count=count, ingest=ingest)

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"delivered": 4}
    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(events)


def test_a_redirect_is_not_followed(function: Function, mixpanel: MixpanelSimulator, aws: AwsStub) -> None:
    """The credentials go nowhere but to the configured address, even if the other one would take them."""
    _, records = records_of(2)
    target = {"Location": f"{mixpanel.url}/import?strict=1&project_id=123"}
    mixpanel.faults.add(next_requests=1, status=307, headers=target)

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"setup": 2}
    assert mixpanel.stats()["requests"] == 1
    assert mixpanel.events() == []
    assert aws.dead_letters == []


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_retried_inside_the_invocation(
    function: Function, mixpanel: MixpanelSimulator, status: int
) -> None:
    """Two bad answers and a good one make a delivery, and nothing is handed back."""
    events, records = records_of(3)
    mixpanel.faults.add(next_requests=2, status=status)

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"delivered": 3}
    assert invocation.logged["requests"] == 3
    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(events)


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("header", ["0", formatdate(1_795_000_000, usegmt=True), "soon", "-1", "9" * 400])
def test_retry_after_of_any_form_never_breaks_the_delivery(
    function: Function, mixpanel: MixpanelSimulator, header: str
) -> None:
    """A wait that fits is waited, any other goes to the queue: either way each event counts once."""
    events, records = records_of(2)
    mixpanel.faults.add(next_requests=1, status=429, headers={"Retry-After": header})

    function.invoke_until_settled(*records)

    assert counted(mixpanel) == sent(events)


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_retry_after_becomes_a_hand_back_at_once(
    function: Function, mixpanel: MixpanelSimulator, status: int
) -> None:
    """No invocation sleeps through what the queue can wait for at no cost."""
    _, records = records_of(2)
    mixpanel.faults.add(next_requests=1, status=status, headers={"Retry-After": "600"})

    invocation = function.invoke(*records, timeout_s=100)

    assert len(invocation.failed_ids) == 2
    assert mixpanel.stats()["requests"] == 1
