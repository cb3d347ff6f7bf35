"""The floor program: the minimum that any sender must do, without any safety.

It decodes with msgspec, maps the fields, encodes requests of 2,000 events, compresses with igzip level 1, and
posts with requests. It checks nothing, and an error stops it.
"""

import os
import sys
from typing import Any

import msgspec
import requests
from isal import igzip

from bench.cpu import measure
from bench.workload import invocations

_REQUEST_EVENTS = 2_000
_HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


class _Event(msgspec.Struct, gc=False):
    insert_id: str
    event: str
    user: str
    time: int
    ip: str = ""
    useragent: str = ""
    data: Any = ""
    properties: dict[str, Any] = {}


class _Envelope(msgspec.Struct):
    events: list[_Event]


class _Properties(msgspec.Struct):
    time: int
    insert_id: str = msgspec.field(name="$insert_id")
    distinct_id: str
    ip: str
    useragent: str
    data: Any


_encode = msgspec.json.Encoder().encode


def _mapped(event: _Event) -> bytes:
    """Return the event's JSON: its fixed properties, then its own."""
    fixed = _Properties(event.time, event.insert_id, event.user, event.ip, event.useragent, event.data)
    properties = b",".join((_encode(fixed)[1:-1], _encode(event.properties)[1:-1]))
    return b'{"event":%b,"properties":{%b}}' % (_encode(event.event), properties)


def main() -> None:
    """Measure `argv[1]` events, `argv[2]` per message, after a warm-up."""
    event_count, per_message = int(sys.argv[1]), int(sys.argv[2])
    prepared = invocations(event_count, per_message=per_message)
    decode = msgspec.json.Decoder(_Envelope).decode
    session, url = requests.Session(), os.environ["MIXPANEL_API_URL"] + "/import"

    def send(sqs_event: dict[str, Any]) -> None:
        events = [event for record in sqs_event["Records"] for event in decode(record["body"]).events]
        for start in range(0, len(events), _REQUEST_EVENTS):
            chosen = [_mapped(event) for event in events[start : start + _REQUEST_EVENTS]]
            body = igzip.compress(b"[%b]" % b",".join(chosen), 1)
            session.post(
                url, params={"strict": "1"}, data=body, headers=_HEADERS, auth=("bench", "bench")
            ).raise_for_status()

    send(prepared[0])

    def send_all() -> None:
        for sqs_event in prepared:
            send(sqs_event)

    measure(send_all, event_count)


if __name__ == "__main__":
    main()
