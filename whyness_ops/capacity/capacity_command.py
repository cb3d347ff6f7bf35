"""The command `whyness-mixpanel capacity`: its options, and what it prints."""

import argparse
import math

from whyness_events.limits import EVENT_BYTES
from whyness_ops import output
from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.capacity.live import live_events_per_message
from whyness_ops.capacity.load import DAY_S, Load
from whyness_ops.capacity.prices import measured, read_prices
from whyness_ops.capacity.report import report
from whyness_ops.capacity.text import report_text
from whyness_ops.option_types import Number, Whole, path, wrong
from whyness_ops.stop import Stop

EXAMPLES = """examples:
  whyness-mixpanel capacity --events-per-day 5m
  whyness-mixpanel capacity --events-per-day 1bn --bytes 800 --memory-mb 1769 --outage-hours 8
  whyness-mixpanel capacity --events-per-day 10bn --projects 8 --memory-mb 1769 --json
  whyness-mixpanel capacity --events-per-day 5m --events-per-message 1 --prices mine.toml

The command works offline: prices and measurements come with the package. mine.toml has lines such as
  sqs_request = 0.0000005
docs/reference/capacity.md describes the model and its limits.
"""
_SCALES = {"k": 1e3, "m": 1e6, "bn": 1e9}
_MOST_EVENTS = 1e12


def add_capacity(group: Commands) -> None:
    """Add the command."""
    help_ = "estimate cost and capacity for a number of events a day"
    parser = add_parser(group, "capacity", help_, EXAMPLES)
    parser.set_defaults(run=capacity)
    _add_numbers(parser)
    prices = parser.add_argument_group("prices")
    prices.add_argument(
        "--prices", type=path, metavar="FILE", help="TOML or JSON; replaces prices of the package"
    )
    output_group = parser.add_argument_group("output")
    output_group.add_argument("--json", action="store_true", help="one JSON object instead of text")


def _add_numbers(parser: argparse.ArgumentParser) -> None:
    load, stack = parser.add_argument_group("load"), parser.add_argument_group("stack")
    load.add_argument("--events-per-day", type=events, required=True, metavar="N", help="10000, 10k, 5m, 1bn")
    for group, option, (least, most), default, what in (
        (load, "--bytes", (1, int(EVENT_BYTES)), 450, "size of an event's JSON as published (default 450)"),
        (load, "--events-per-message", (1, 10_000), None, "default: as the app packs live events"),
        (stack, "--projects", (1, 1_000), 1, "Mixpanel projects, each with its own stack (default 1)"),
        (stack, "--memory-mb", (128, 10_240), 512, "MemorySize of the function (default 512)"),
        (stack, "--concurrency", (2, 1_000), 4, "MaximumConcurrency of a stack (default 4)"),
    ):
        group.add_argument(option, type=Whole(least, most), default=default, metavar="N", help=what)
    for option, name, (least, most), default, what in (
        ("--outage-hours", "H", (0, 336), 4, "length of an outage of Mixpanel (default 4)"),
        ("--peak-factor", "F", (1, 100), 2, "busy hours relative to the day's mean (default 2)"),
        ("--answer-ms", "MS", (1, 30_000), 300, "Mixpanel's time to answer a request (default 300)"),
    ):
        load.add_argument(option, type=Number(least, most), default=default, metavar=name, help=what)


def capacity(options: argparse.Namespace, _: Stop) -> int:
    """Print the estimate."""
    prices = read_prices(options.prices)
    live = live_events_per_message(options.events_per_day / options.projects / DAY_S)
    load = Load(
        events_per_day=options.events_per_day,
        event_bytes=options.bytes,
        events_per_message=options.events_per_message or live,
        peak_factor=options.peak_factor,
        outage_hours=options.outage_hours,
        answer_ms=options.answer_ms,
        projects=options.projects,
        memory_mb=options.memory_mb,
        concurrency=options.concurrency,
    )
    estimate = report(load, prices)
    if options.json:
        about = {"region": prices.region, "measured": f"{measured().command}, {measured().date}"}
        output.emit(estimate.to_json() | about, str, as_json=True)
    else:
        output.emit(estimate, lambda report: report_text(report, prices), as_json=False)
    return 0


def events(text: str) -> float:
    """Return the number in a text such as 10000, 10k or 0.01m.

    Raises:
        argparse.ArgumentTypeError: it is not a number of events.
    """
    number = text.lower().replace(",", "").replace("_", "")
    unit = next((unit for unit in ("bn", "k", "m") if number.endswith(unit)), "")
    try:
        count = float(number.removesuffix(unit)) * _SCALES.get(unit, 1)
    except ValueError:
        count = math.nan
    if not 1 <= count <= _MOST_EVENTS:
        raise wrong(text, "a number such as 10000, 10k, 5m or 1bn, from 1 to 1000bn")
    return count
