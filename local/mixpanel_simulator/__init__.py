"""A Mixpanel simulator: import, export and profiles with their rules and limits, and faults on request.

It imports nothing of the project: this is the other side of the wire. Its page: docs/mixpanel-simulator.md.

    with MixpanelSimulator(project_id="123", account="acct", password="pw") as mixpanel:
        mixpanel.faults.add(next_requests=2, status=503)
        send_to(mixpanel.url)
        assert len(mixpanel.events()) == 1
"""

from .fault import Fault, FaultError
from .faults import Faults
from .reply import Reply
from .running import MixpanelSimulator
from .settings import Project, Settings, SettingsError
from .simulator import Simulator

__all__ = [
    "Fault",
    "FaultError",
    "Faults",
    "MixpanelSimulator",
    "Project",
    "Reply",
    "Settings",
    "SettingsError",
    "Simulator",
]
