import pytest

from local.emulator import Emulator
from local.resources import create_resources
from local.template import Template
from tests.contract.skew.golden import RELEASED
from tests.contract.skew.stack import Pile
from tests.django_support import db, pristine
from tests.integration.conftest import emulator
from tests.integration.delivery.conftest import _only_our_environment, aws, function, mixpanel
from tests.integration.ops.conftest import Desk, desk

__all__ = ["_only_our_environment", "aws", "db", "desk", "emulator", "function", "mixpanel", "pristine"]


@pytest.fixture(scope="module", params=RELEASED, ids=lambda release: release.folder.name)
def left_behind(request: pytest.FixtureRequest, emulator: Emulator) -> Pile:
    """A stack whose dead-letter queue and Log hold what a version left there."""
    account = emulator.new_account()
    resources = create_resources(account, Template.read(), secret={})
    return Pile.of(request.param, Desk(account, resources))


@pytest.fixture
def pile(left_behind: Pile, monkeypatch: pytest.MonkeyPatch) -> Pile:
    """The same, named by the environment as its user would."""
    for name, value in left_behind.environment.items():
        monkeypatch.setenv(name, value)
    return left_behind
