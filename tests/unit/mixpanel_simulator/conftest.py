from collections.abc import Iterator

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.unit.mixpanel_simulator.builders import PASSWORD, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of `mixpanel`; it moves only if the test moves it."""
    return FakeClock()


@pytest.fixture
def mixpanel(clock: FakeClock) -> Iterator[MixpanelSimulator]:
    """Return a simulator that listens on a free port."""
    with MixpanelSimulator(project_id="123", account="acct", password=PASSWORD, clock=clock) as running:
        yield running
