"""A stand-in for SQS that accepts everything and keeps nothing.

Prints its URL as JSON. GET returns the number of messages, and of requests as SQS bills them. With --record,
GET `/confirmed` returns when each event was confirmed.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from whyness_events.limits import BILLED_BYTES


class Sink(ThreadingHTTPServer):
    """Answers on loopback.

    Args:
        delay_s: how long an answer takes.
        is_recording: whether it records when it confirmed each event.
    """

    daemon_threads = True

    def __init__(self, *, delay_s: float, is_recording: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay_s, self.is_recording = delay_s, is_recording
        self.message_count = self.billed_count = 0
        # The time of the answer, on the clock that all processes share, and the body.
        self.taken: list[tuple[float, str]] = []

    def take(self, bodies: Sequence[str]) -> None:
        """Count a call, and record its bodies if wanted."""
        self.message_count += len(bodies)
        self.billed_count += max(1, -(-sum(len(body.encode()) for body in bodies) // BILLED_BYTES))
        if self.is_recording:
            self.taken += [(time.monotonic(), body) for body in bodies]


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment per answer

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.server.delay_s)
        entries = document.get("Entries", [document])
        self.server.take([entry["MessageBody"] for entry in entries])
        if "Entries" in document:
            taken = [_entry(entry) | {"Id": entry["Id"]} for entry in entries]
            self._answer({"Successful": taken, "Failed": []})
        else:
            self._answer(_entry(document))

    def do_GET(self) -> None:
        if self.path == "/confirmed":
            self._answer(_confirmed(self.server.taken))
        else:
            self._answer({"messages": self.server.message_count, "billed": self.server.billed_count})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _confirmed(taken: Sequence[tuple[float, str]]) -> dict[str, float]:
    """Return when each event of an envelope was confirmed, by its insert id."""
    messages: list[tuple[float, Mapping[str, Any]]] = [(at_s, json.loads(body)) for at_s, body in taken]
    return {event["insert_id"]: at_s for at_s, message in messages for event in message.get("events", ())}


def _entry(message: Mapping[str, str]) -> dict[str, str]:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": "00000000-0000-0000-0000-000000000000", "MD5OfMessageBody": digest}


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(prog="python -m bench.sqs_sink", description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="how long an answer takes (default 0)")
    parser.add_argument("--record", action="store_true", help="record when each event was confirmed")
    options = parser.parse_args()
    with Sink(delay_s=options.delay_ms / 1000, is_recording=options.record) as server:
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
