"""A Mixpanel for one machine: the Import API with its rules, its limits and, on demand, its bad days.

Nothing of the product is imported here: this is the other side of the wire.

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
