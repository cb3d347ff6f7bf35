"""Which stack a command is for: its options, and what they name."""

import argparse
from collections.abc import Mapping

from whyness_ops.aws import Aws, Stack
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.log_table import LogTable
from whyness_ops.option_types import text


def add_connection(parser: argparse.ArgumentParser, defaults: Mapping[str, str], source: str) -> None:
    """Add where the stack is.

    Args:
        parser: of a command.
        defaults: the outputs of the stack by variable, `""` if not known.
        source: where else they come from; `{}` stands for the variable.
    """
    group = parser.add_argument_group("connection")
    for option, metavar, what, variable in (
        ("--queue-url", "URL", "the queue", "QUEUE_URL"),
        ("--dead-letter-queue-url", "URL", "the dead-letter queue", "DEAD_LETTER_QUEUE_URL"),
        ("--log-table", "NAME", "the Log table", "LOG_TABLE_NAME"),
    ):
        default, help_ = defaults.get(variable, ""), f"{what} ({source.format(variable)})"
        group.add_argument(option, type=text, default=default, metavar=metavar, help=help_)
    for option, metavar in (("--profile", "NAME"), ("--region", "NAME"), ("--endpoint-url", "URL")):
        group.add_argument(option, type=text, metavar=metavar, help="as in the AWS CLI")


def clients_of(options: argparse.Namespace) -> Aws:
    """Return the clients."""
    return Aws(profile=options.profile, region=options.region, endpoint_url=options.endpoint_url)


def stack_of(options: argparse.Namespace) -> Stack:
    """Return the outputs of the stack."""
    return Stack(options.queue_url, options.dead_letter_queue_url, options.log_table)


def queue_of(options: argparse.Namespace) -> DeadLetterQueue:
    """Return the dead-letter queue."""
    return DeadLetterQueue(clients_of(options).sqs, options.dead_letter_queue_url)


def log_of(options: argparse.Namespace) -> LogTable:
    """Return the Log table."""
    return LogTable(clients_of(options).dynamodb, options.log_table)
