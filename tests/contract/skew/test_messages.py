from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_record
from tests.contract.skew.golden import RELEASED, Recording, every_release, sent
from tests.integration.delivery.function import Function, counted


@every_release
def test_recordings_are_never_edited(release: Recording) -> None:
    """Such messages, rows and dead letters lie in queues, outboxes and tables as they are."""
    assert release.sums == (release.folder / "SHA256SUMS").read_text()


def test_there_is_a_recording() -> None:
    """Else the tests beside this one would look at nothing."""
    assert RELEASED


@every_release
def test_messages_become_the_events_that_their_version_sent(
    release: Recording, function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """In both identity modes, with every field, odd characters and seconds: the same four fields."""
    for name, message in release.messages.items():
        mixpanel.reset()

        invocation = function.invoke(make_record(message["body"], log_key=message.get("log_key", "")))

        assert invocation.failed_ids == [], name
        assert counted(mixpanel) == sent([message]), name
    assert aws.dead_letters == []
