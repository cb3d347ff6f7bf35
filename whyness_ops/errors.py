"""What can go wrong for the person at the terminal; each text says what to do, and each has an exit code.

OpsError
├── SetupFault      3  missing queue or table, no permission, no region, no credentials, no connection
├── Refused         4  it would be unsafe now, while a message move task runs, or with the queues swapped
├── NotFound        5  no such message or row
├── FileFault       2  a file cannot be written, or is there already
└── EditFault       2  the edit function cannot be loaded
"""


class OpsError(Exception):
    """Base of all of them; `str()` is for people."""

    exit_code = 1


class SetupFault(OpsError):
    """AWS cannot be asked, or says no."""

    exit_code = 3


class Refused(OpsError):
    """It would be unsafe now; nothing was done."""

    exit_code = 4


class NotFound(OpsError):
    """There is no such message or row, or somebody else looks at it at this moment."""

    exit_code = 5


class EditFault(OpsError):
    """The edit function cannot be loaded; nothing was done."""

    exit_code = 2


class FileFault(OpsError):
    """The file cannot be written, or is there already; nothing of it was."""

    exit_code = 2
