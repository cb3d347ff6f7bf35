"""The service account's secret: missing, faulty, rotated, or with nobody there to ask for it."""

import json

import pytest

from local.mixpanel_simulator import MixpanelSimulator, Project
from tests.aws_stub import DENIED, DOWN, GET_SECRET, SECRET_ARN, AwsError, AwsStub, always
from tests.builders import make_body, make_raw, make_record
from tests.integration.delivery.function import (
    ACCOUNT,
    PASSWORD,
    PROJECT_ID,
    Function,
    counted,
    recent_event,
    records_of,
    sent,
)
from tests.loopback import Trouble

RIGHT = json.dumps({"account": ACCOUNT, "password": PASSWORD})
WRONG = json.dumps({"account": ACCOUNT, "password": "rotated-away"})

FAULTY = {
    "placeholder": '{"account": "", "password": ""}',
    "empty": "",
    "no JSON": "account:password",
    "array": "[]",
    "null": "null",
    "no password": json.dumps({"account": ACCOUNT}),
    "numbers": '{"account": 1, "password": 2}',
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_secret_is_a_matter_of_set_up_and_nothing_is_sent(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, name: str
) -> None:
    """The events stay, the reason names the setting, and Mixpanel sees no attempt."""
    _, records = records_of(3)
    aws.secrets[SECRET_ARN] = FAULTY[name]

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"setup": 3}
    assert len(invocation.failed_ids) == 3
    assert "MIXPANEL_SECRET_ARN" in invocation.details["setup"]
    assert mixpanel.stats()["requests"] == 0
    assert aws.dead_letters == []


@pytest.mark.parametrize("name", FAULTY)
def test_a_secret_put_right_is_used_without_a_deploy(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, name: str
) -> None:
    """Whoever fills in the secret need not wait for a cache, nor for another container."""
    events, records = records_of(3)
    aws.secrets[SECRET_ARN] = FAULTY[name]
    function.invoke(*records)
    aws.secrets[SECRET_ARN] = RIGHT

    invocation = function.invoke(*records)

    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(events)


UNREADABLE: list[tuple[AwsError | Trouble, str]] = [
    (AwsError("ResourceNotFoundException"), "ResourceNotFoundException"),
    (DENIED, "AccessDeniedException"),
    (AwsError("ThrottlingException"), "ThrottlingException"),
    (AwsError("DecryptionFailure"), "DecryptionFailure"),
    (DOWN, "InternalFailure"),
    (Trouble.RESET, "ConnectionClosedError"),
    (Trouble.GARBAGE, "ConnectionClosedError"),
]


@pytest.mark.parametrize(("found", "code"), UNREADABLE, ids=str)
def test_a_secret_that_cannot_be_read_leaves_everything_in_the_queue_and_says_why(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub, found: AwsError | Trouble, code: str
) -> None:
    """Missing, forbidden or down: nothing dead, nothing acknowledged; it works once it can be had."""
    events, records = records_of(3)
    aws.scripts[GET_SECRET] = always(found)

    first = function.invoke(*records)
    aws.scripts.clear()
    second = function.invoke(*records)

    assert first.outcomes == {"setup": 3}
    assert first.details["setup"] == f"MIXPANEL_SECRET_ARN: the secret cannot be read ({code})"
    assert len(first.failed_ids) == 3
    assert aws.dead_letters == []
    assert second.failed_ids == []
    assert counted(mixpanel) == sent(events)


def test_secrets_manager_that_hangs_does_not_hold_the_handler(function: Function, aws: AwsStub) -> None:
    """However many requests there are to send, the secret is waited for once."""
    records = [make_record(recent_event(), receive_count=count) for count in (1, 3)]
    aws.scripts[GET_SECRET] = always(Trouble.HANG)

    invocation = function.invoke(*records, timeout_s=10)

    assert len(invocation.failed_ids) == 2
    assert aws.call_count(GET_SECRET) <= 2  # the SDK's own second attempt
    assert "TimeoutError" in invocation.details["setup"]  # ours, or the SDK's


def test_what_is_invalid_anyway_is_settled_without_a_secret(function: Function, aws: AwsStub) -> None:
    """A dead letter needs no credentials of Mixpanel's."""
    aws.scripts[GET_SECRET] = always(DENIED)
    good = make_record(recent_event())

    invocation = function.invoke(make_record(json.dumps(make_raw(time=-1))), good)

    assert invocation.failed_ids == [good.message_id]
    assert aws.reasons == ["rejected"]


def test_a_rotated_secret_is_fetched_afresh_in_the_same_invocation(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """A 401 with credentials from the cache costs one more request, and no event waits."""
    before, early_records = records_of(1)
    events, records = records_of(3)
    function.invoke(*early_records)
    mixpanel.configure(password="new")
    aws.secrets[SECRET_ARN] = json.dumps({"account": ACCOUNT, "password": "new"})

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"delivered": 3}
    assert invocation.logged["requests"] == 2
    assert counted(mixpanel) == sent([*before, *events])


def test_a_secret_rotated_in_mid_run_serves_all_requests_under_way(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Two requests are refused side by side; the secret is fetched once, and both go again."""
    aws.secrets[SECRET_ARN] = WRONG
    function.invoke(make_record(recent_event(data="early")))
    aws.secrets[SECRET_ARN] = RIGHT
    fetched = aws.call_count(GET_SECRET)
    events = [recent_event(), recent_event()]
    records = [make_record(events[0]), make_record(events[1], receive_count=3)]

    invocation = function.invoke(*records)

    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(events)
    assert aws.call_count(GET_SECRET) == fetched + 1


def test_a_secret_that_stays_wrong_is_tried_once_more_and_no_oftener(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Refused credentials are not hammered; later, put right, everything is delivered once."""
    aws.secrets[SECRET_ARN] = WRONG
    events, records = records_of(5)

    first = function.invoke(*records)
    requests = mixpanel.stats()["requests"]
    aws.secrets[SECRET_ARN] = RIGHT
    second = function.invoke(*records)

    assert first.outcomes == {"setup": 5}
    assert "401" in first.details["setup"]
    assert requests == 2
    assert aws.dead_letters == []
    assert second.failed_ids == []
    assert counted(mixpanel) == sent(events)


def test_secrets_manager_going_down_after_a_401_leaves_everything_in_the_queue(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """The fresh secret cannot be had: that is the set-up's fault, too."""
    function.invoke(make_record(recent_event()))
    _, records = records_of(3)
    mixpanel.configure(password="new")
    aws.scripts[GET_SECRET] = always(DOWN)

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"setup": 3}
    assert len(invocation.failed_ids) == 3
    assert aws.dead_letters == []


def test_the_two_variables_do_instead_of_a_secret(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Without a secret's name nobody asks Secrets Manager."""
    events, records = records_of(2)
    function.set(MIXPANEL_SECRET_ARN="", MIXPANEL_SERVICE_ACCOUNT=ACCOUNT, MIXPANEL_SERVICE_PASSWORD=PASSWORD)

    invocation = function.invoke(*records)

    assert invocation.failed_ids == []
    assert counted(mixpanel) == sent(events)
    assert aws.call_count(GET_SECRET) == 0


def test_a_wrong_password_in_the_variables_is_not_tried_twice(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """They change only with a deploy."""
    _, records = records_of(2)
    function.set(MIXPANEL_SECRET_ARN="", MIXPANEL_SERVICE_ACCOUNT=ACCOUNT, MIXPANEL_SERVICE_PASSWORD="no")

    invocation = function.invoke(*records)

    assert invocation.outcomes == {"setup": 2}
    assert mixpanel.stats()["requests"] == 1


@pytest.mark.parametrize(("account", "password"), [("ä", "ß語"), ("a", "p:q:r"), ("a b", "%41+/=")])
def test_credentials_of_any_characters_reach_mixpanel_as_they_are(
    function: Function, aws: AwsStub, account: str, password: str
) -> None:
    """No character of a secret breaks the invocation, or is lost on the way."""
    _, records = records_of(1)
    aws.secrets[SECRET_ARN] = json.dumps({"account": account, "password": password})

    with MixpanelSimulator(account=account, password=password, project_id=PROJECT_ID) as mixpanel:
        function.set(MIXPANEL_API_URL=mixpanel.url)
        invocation = function.invoke(*records)

    assert invocation.outcomes == {"delivered": 1}


def test_a_project_of_another_region_is_named_and_nothing_is_dead(function: Function, aws: AwsStub) -> None:
    """Mixpanel answers 401 in the wrong region: the reason says to check it."""
    events, records = records_of(3)
    projects = (Project(project_id=PROJECT_ID, region="eu"),)

    with MixpanelSimulator(account=ACCOUNT, password=PASSWORD, projects=projects) as american:
        function.set(MIXPANEL_API_URL=american.url)
        first = function.invoke(*records)
    with MixpanelSimulator(account=ACCOUNT, password=PASSWORD, projects=projects, region="eu") as european:
        function.set(MIXPANEL_API_URL=european.url)
        second = function.invoke(*records)
        found = counted(european)

    assert first.outcomes == {"setup": 3}
    assert "region" in first.details["setup"]
    assert aws.dead_letters == []
    assert second.failed_ids == []
    assert found == sent(events)


def test_no_dead_letter_of_a_mixed_record_goes_while_the_credentials_are_wrong(
    function: Function, aws: AwsStub
) -> None:
    """Its good event waits for an operator, so the bad one waits with it."""
    aws.secrets[SECRET_ARN] = WRONG
    record = make_record(make_body(recent_event(), make_raw(time=-1)))

    first = function.invoke(record)
    dead_letters_before = len(aws.dead_letters)
    aws.secrets[SECRET_ARN] = RIGHT
    second = function.invoke(record)

    assert first.failed_ids == [record.message_id]
    assert dead_letters_before == 0
    assert second.failed_ids == []
    assert aws.reasons == ["rejected"]
