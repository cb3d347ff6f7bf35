"""What can go wrong at the command line. Each text says what happened and what to do; each has an exit code.

OpsError
├── SetupFault      3  missing queue or table, no permission, no region, no credentials, no connection
├── Refused         4  unsafe now: a message move task is running, or the queues are swapped
├── NotFound        5  no such message or row
├── NotJudged       2  an audit cannot judge: the export is refused, empty, or in another time zone
│   └── Stopped   130  a person stopped the audit
├── UsageFault      2  the command line is wrong, or needs a library that is not installed
├── FileFault       2  a file cannot be written, or exists already
└── EditFault       2  the edit function cannot be loaded
"""

from whyness_ops.stop import STOPPED


class OpsError(Exception):
    """Base of all of them; `str()` is for people."""

    exit_code = 1


class SetupFault(OpsError):
    """AWS cannot be reached, or refuses."""

    exit_code = 3


class Refused(OpsError):
    """The command is unsafe now; nothing was done."""

    exit_code = 4


class NotFound(OpsError):
    """There is no such message or row, or the message is hidden while somebody inspects it."""

    exit_code = 5


class EditFault(OpsError):
    """The edit function cannot be loaded; nothing was done."""

    exit_code = 2


class NotJudged(OpsError):
    """An audit cannot judge; nothing is reported as missing."""

    exit_code = 2


class Stopped(NotJudged):
    """A person stopped the audit; nothing is reported."""

    exit_code = STOPPED


class UsageFault(OpsError):
    """The command line is wrong; nothing was done."""

    exit_code = 2


class FileFault(OpsError):
    """The file cannot be written, or exists already; nothing was written."""

    exit_code = 2
