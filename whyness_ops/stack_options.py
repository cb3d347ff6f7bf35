"""Edge: the options that say which stack a command works on, and what they lead to."""

import argparse
import os
import sys
from dataclasses import replace

from whyness_ops.aws import Aws
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.log_table import LogTable
from whyness_ops.option_types import text
from whyness_ops.stack import DEMO_FILE, NAMES, Stack, demo_variables, described, of_environment

_PARTS = (
    ("--queue-url", "URL", "the queue"),
    ("--dead-letter-queue-url", "URL", "the dead-letter queue"),
    ("--log-table", "NAME", "the Log table"),
)
_ENVIRONMENT = "WHYNESS_MIXPANEL_ENV"
_FIELDS = tuple(option[2:].replace("-", "_") for option, _, _ in _PARTS)
_VARIABLES = {field: variable for field, _, variable in NAMES}


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the options; `connect` reads them."""
    group = parser.add_argument_group("connection")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--stack", type=text, metavar="NAME", help="the CloudFormation stack, whose outputs name its parts"
    )
    which.add_argument(
        "--env",
        type=text,
        metavar="NAME",
        help=f"the stack that samconfig.toml has for dev or prod (or {_ENVIRONMENT})",
    )
    add_parts(group, "or {}")


def add_parts(group: "argparse._ArgumentGroup", source: str) -> None:
    """Add the options for each part of a stack, and those of the AWS CLI.

    Args:
        group: of the command's options.
        source: where the parts come from otherwise; `{}` stands for the variable.
    """
    for field, (option, metavar, what) in zip(_FIELDS, _PARTS, strict=True):
        help_ = f"{what} ({source.format(_VARIABLES[field])})"
        group.add_argument(option, type=text, metavar=metavar, help=help_)
    for option, metavar in (("--profile", "NAME"), ("--region", "NAME"), ("--endpoint-url", "URL")):
        group.add_argument(option, type=text, metavar=metavar, help="as in the AWS CLI")


def connect(options: argparse.Namespace) -> tuple[Aws, Stack]:
    """Return access to AWS, and the stack: that of the options, else the environment's, else the demo's.

    Raises:
        NotFound: there is no such stack.
        SetupFault: AWS refuses or cannot be reached.
        UsageFault: samconfig.toml names no such environment.
    """
    if not hasattr(options, "connected"):
        options.connected = _connect(options)
    found: tuple[Aws, Stack] = options.connected
    return found


def queue_of(options: argparse.Namespace) -> DeadLetterQueue:
    """Return the dead-letter queue; see `connect`."""
    aws, stack = connect(options)
    return DeadLetterQueue(aws.sqs, stack.dead_letter_queue_url)


def log_of(options: argparse.Namespace) -> LogTable:
    """Return the Log table; see `connect`."""
    aws, stack = connect(options)
    return LogTable(aws.dynamodb, stack.log_table)


def _connect(options: argparse.Namespace) -> tuple[Aws, Stack]:
    given = {field: value for field in _FIELDS if (value := getattr(options, field)) is not None}
    name, region = getattr(options, "stack", None), options.region
    environment = getattr(options, "env", None) or os.environ.get(_ENVIRONMENT)
    if hasattr(options, "env") and environment and not name:
        name, configured_region = of_environment(environment)
        region = region or configured_region
    if name:
        aws = Aws(profile=options.profile, region=region, endpoint_url=options.endpoint_url)
        return aws, replace(Stack.of_outputs(name, described(aws.cloudformation, name)), **given)
    stack = replace(Stack.of_variables(os.environ), **given)
    if stack == Stack() and not given and not (options.profile or options.region or options.endpoint_url):
        stack = _demo()
    return Aws(profile=options.profile, region=options.region, endpoint_url=options.endpoint_url), stack


def _demo() -> Stack:
    variables = demo_variables()
    stack = Stack.of_variables(variables)
    if stack != Stack():
        print(f"Using the demo that is up here ({DEMO_FILE}).", file=sys.stderr)  # noqa: T201  (a command line talks)
        os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    return replace(stack, is_local=stack != Stack())
