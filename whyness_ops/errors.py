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


class SetupFault(OpsError):  # noqa: N818  (the set-up is at fault)
    """AWS cannot be asked, or says no."""

    exit_code = 3


class Refused(OpsError):  # noqa: N818  (what was asked is refused)
    """It would be unsafe now; nothing was done."""

    exit_code = 4


class NotFound(OpsError):  # noqa: N818
    """There is no such message or row, or somebody else looks at it at this moment."""

    exit_code = 5


class EditFault(OpsError):  # noqa: N818
    """The edit function cannot be loaded; nothing was done."""

    exit_code = 2


class FileFault(OpsError):  # noqa: N818
    """The file cannot be written, or is there already; nothing of it was."""

    exit_code = 2
