"""The stack that a command of the site works on: its options, else the site's settings."""

import argparse
from typing import Any

from whyness_mixpanel import conf, sqs_hosts
from whyness_ops.stack_options import add_parts

_STACK = {
    "queue_url": conf.QUEUE_URL,
    "dead_letter_queue_url": conf.DEAD_LETTER_QUEUE_URL,
    "log_table": conf.LOG_TABLE_NAME,
}


def add_stack(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_parts(parser.add_argument_group("connection"), "default: the setting {}")


def with_settings(given: dict[str, Any]) -> argparse.Namespace:
    """Return the options; what is not given comes from the site's settings."""
    stack = {name: given[name] or setting.get() for name, setting in _STACK.items()}
    region = given["region"] or conf.REGION.get() or sqs_hosts.region_of(stack["queue_url"])
    return argparse.Namespace(**{**given, **stack, "region": region})
