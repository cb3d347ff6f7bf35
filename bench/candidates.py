"""What each change to the hot path gained: the old and the new way, alternating in one process.

The figures of docs/decisions/0012-hot-path.md: microseconds of CPU per event, the minimum of several runs.
The old ways are kept here in their shortest form.
"""

import argparse
import ipaddress
import json
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from isal import igzip
from tqdm import tqdm

from bench.workload import events, invocations
from whyness_events import Event, check_event
from whyness_events.delivery.event_struct import EventStruct, are_surely_valid
from whyness_events.delivery.items import Item, Record
from whyness_events.delivery.mixpanel.location import location_address
from whyness_events.delivery.mixpanel.translate import LIBRARY, Translator
from whyness_events.delivery.mixpanel.transport.client import _compress
from whyness_events.delivery.mixpanel.useragent import describe_useragent
from whyness_events.delivery.reading.sqs_event import _look_closer, read_records

_EPILOG = """examples:
  .venv/bin/python -m bench.candidates
  .venv/bin/python -m bench.candidates --events 5000 --runs 3
"""
_REQUEST_EVENTS = 2_000
_GROUP_EVENTS = 128

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Envelope:
    events: list[Event]


class _QuickEnvelope(msgspec.Struct):
    events: list[EventStruct]


@dataclass(slots=True, eq=False)
class _DataclassItem:
    record: Record
    position: int
    event: Event | None = None
    identity: str = ""
    encoded: bytes = b""
    outcome: object = None
    first: object = None


class _Work:
    """The same traffic in the forms that the steps need."""

    def __init__(self, event_count: int) -> None:
        self.now_ms = int(time.time() * 1000)
        records = [r for sqs_event in invocations(event_count, per_message=100) for r in sqs_event["Records"]]
        self.bodies = [record["body"] for record in records]
        self.singles = [
            r for sqs_event in invocations(event_count, per_message=1) for r in sqs_event["Records"]
        ]
        self.record = Record("id", "")
        self.events = list(events(event_count))
        self.quick = [e for b in self.bodies for e in msgspec.json.decode(b, type=_QuickEnvelope).events]
        self.translator = Translator(describe_useragent)
        self.groups = [
            self.quick[start : start + _GROUP_EVENTS] for start in range(0, len(self.quick), _GROUP_EVENTS)
        ]
        encoded = [encoded for group in self.groups for encoded, _ in self.translate(group)]
        self.requests = [
            encoded[start : start + _REQUEST_EVENTS] for start in range(0, len(encoded), _REQUEST_EVENTS)
        ]

    def translate(self, group: Sequence[EventStruct]) -> Sequence[tuple[bytes, int]]:
        """Translate events as the reader does."""
        return self.translator.translate(group, ["distinct_id"] * len(group))


def _before_location(ip: str) -> str | int:
    address = ipaddress.ip_address(ip)
    return str(address) if address.is_global else 0


def _one_dictionary(event: Event, described: dict[str, str]) -> bytes:
    properties: dict[str, Any] = {"time": event.time, "$insert_id": event.insert_id}
    properties |= {"distinct_id": event.user, "ip": event.ip}
    properties |= described
    properties |= {"useragent": event.useragent, "data": event.data}
    properties |= LIBRARY
    properties |= event.properties
    return _encode({"event": event.event, "properties": properties})


def _compress_copy(request: Sequence[bytes]) -> bytes:
    return igzip.compress(b"[" + b",".join(request) + b"]", 1, mtime=0)


def _in_a_thread(compress: Callable[[Sequence[bytes]], bytes], request: Sequence[bytes]) -> bool:
    """Compress as the sender does, in a new thread with its own memory."""
    thread = threading.Thread(target=compress, args=(request,))
    thread.start()
    thread.join()
    return True


def _is_valid(event: Event, now_ms: int) -> bool:
    check_event(event, now_ms=now_ms)
    return True


def _steps(work: _Work) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    before, now = msgspec.json.Decoder(_Envelope).decode, msgspec.json.Decoder(_QuickEnvelope).decode
    described = dict(describe_useragent(work.events[0].useragent))
    keep = lru_cache(describe_useragent)
    return {
        "record of one event: field by field | what the decoder's types leave": (
            lambda: [_look_closer(raw) for raw in work.singles],
            lambda: read_records({"Records": work.singles}),
        ),
        "decode: the contract's dataclass | a struct whose types are the rules": (
            lambda: [before(body) for body in work.bodies],
            lambda: [now(body) for body in work.bodies],
        ),
        "validate: rule by rule | what the types leave, for 128 events at once": (
            lambda: [_is_valid(event, work.now_ms) for event in work.events],
            lambda: [are_surely_valid(group, now_ms=work.now_ms) for group in work.groups],
        ),
        "location: ipaddress | first byte": (
            lambda: [_before_location(event.ip) for event in work.quick],
            lambda: [location_address(event.ip) for event in work.quick],
        ),
        "user agent: parsed each time | once for each header": (
            lambda: [describe_useragent(event.useragent) for event in work.events],
            lambda: [keep(event.useragent) for event in work.events],
        ),
        "encode: one dictionary, no string cut, no location | all of the translation": (
            lambda: [_one_dictionary(event, described) for event in work.events],
            lambda: [work.translate(group) for group in work.groups],
        ),
        "item: dataclass | struct": (
            lambda: [_DataclassItem(work.record, 0, event, "distinct_id") for event in work.events],
            lambda: [Item(work.record, 0, event, "distinct_id") for event in work.quick],
        ),
        "compress: joined and copied | piece by piece": (
            lambda: [_in_a_thread(_compress_copy, request) for request in work.requests],
            lambda: [_in_a_thread(_compress, request) for request in work.requests],
        ),
        "compress: zlib level 1 | igzip level 1": (
            lambda: [zlib.compress(b",".join(request), 1) for request in work.requests],
            lambda: [igzip.compress(b",".join(request), 1) for request in work.requests],
        ),
    }


def main() -> None:
    """Measure, print a table, and print one line of JSON."""
    options = _options()
    work, gains = _Work(options.events), {}
    steps = _steps(work)
    with tqdm(total=len(steps) * options.runs, desc="measuring", unit="run") as bar:
        for name, (before, now) in steps.items():
            cpu_s = [_in_turns(before, now, bar) for _ in range(options.runs)]
            least = [min(times_s) / options.events * 1e6 for times_s in zip(*cpu_s, strict=True)]
            gains[name] = {"before_us": least[0], "now_us": least[1]}
    for name, us in gains.items():
        print(f"{name:78}{us['before_us']:8.2f}{us['now_us']:8.2f}")
    print(json.dumps(gains))


def _in_turns(
    before: Callable[[], object], now: Callable[[], object], bar: "tqdm[Any]"
) -> tuple[float, float]:
    bar.update()
    return _cpu_s(before), _cpu_s(now)


def _cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.candidates",
        description="Compare steps of the hot path with those they replaced: microseconds of CPU per event.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=20_000, help="number of events (default 20000)")
    parser.add_argument("--runs", type=int, default=9, help="runs of each step (default 9)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
