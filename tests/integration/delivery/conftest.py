import json
from collections.abc import Iterator

import pytest

import handler
from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import SECRET_ARN, AwsStub
from tests.integration.delivery.function import (
    ACCOUNT,
    PASSWORD,
    PROJECT_ID,
    Function,
    environment_of,
    forget_own_settings,
)
from whyness_events.delivery.clock import SystemClock


@pytest.fixture(autouse=True)
def _only_our_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the developer's own settings reaches the function, and no container outlives a test."""
    forget_own_settings(monkeypatch)
    yield
    handler.container.cache_clear()


@pytest.fixture
def aws() -> Iterator[AwsStub]:
    """The AWS of this test, with the right secret."""
    secret = json.dumps({"account": ACCOUNT, "password": PASSWORD})
    with AwsStub(secrets={SECRET_ARN: secret}) as stub:
        yield stub


@pytest.fixture
def mixpanel() -> Iterator[MixpanelSimulator]:
    """The Mixpanel of this test."""
    with MixpanelSimulator(project_id=PROJECT_ID, account=ACCOUNT, password=PASSWORD) as simulator:
        yield simulator


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function does not pause between its rounds for rows."""
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: None)


@pytest.fixture
def function(
    aws: AwsStub,
    mixpanel: MixpanelSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Function:
    """A container of the function, wired to both."""
    return Function(monkeypatch, capsys, environment_of(aws, mixpanel.url))
