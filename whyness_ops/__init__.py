"""Tools for operators: inspect dead letters, fix them, send them again: docs/reference/command-line.md."""

from whyness_ops.aws import Aws
from whyness_ops.dead_letter_message import DeadLetter
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.edit import CannotEdit, Withheld, edit_body, load_edit
from whyness_ops.errors import EditFault, FileFault, NotFound, OpsError, Refused, SetupFault
from whyness_ops.inspecting import export, find_dead_letter, overview, show
from whyness_ops.log_table import LogTable, last_days
from whyness_ops.move_task import Move
from whyness_ops.moving import redrive_all
from whyness_ops.rebuilding import rebuild
from whyness_ops.redriven import Left, Redriven
from whyness_ops.redriving import Redrive
from whyness_ops.selection import Selection
from whyness_ops.snapshot import Snapshot
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop

__all__ = [
    "Aws",
    "CannotEdit",
    "DeadLetter",
    "DeadLetterQueue",
    "EditFault",
    "FileFault",
    "Left",
    "LogTable",
    "Move",
    "NotFound",
    "OpsError",
    "Redrive",
    "Redriven",
    "Refused",
    "Selection",
    "SetupFault",
    "Snapshot",
    "Stack",
    "Stop",
    "Withheld",
    "edit_body",
    "export",
    "find_dead_letter",
    "last_days",
    "load_edit",
    "overview",
    "rebuild",
    "redrive_all",
    "show",
]
