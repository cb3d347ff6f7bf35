"""A stand-in for SQS that takes everything and keeps nothing: what a publisher costs beside the queue.

Prints its URL as JSON, counts messages, and answers a GET with the count.
"""

import hashlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(ThreadingHTTPServer):
    """Answers on loopback; the publishers measured have one connection each."""

    daemon_threads = True
    message_count = 0


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment per answer

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "Entries" in document:
            taken = [_entry(entry) | {"Id": entry["Id"]} for entry in document["Entries"]]
            self.server.message_count += len(taken)
            self._answer({"Successful": taken, "Failed": []})
        else:
            self.server.message_count += 1
            self._answer(_entry(document))

    def do_GET(self) -> None:
        self._answer({"messages": self.server.message_count})

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _entry(message: Mapping[str, str]) -> dict[str, str]:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": "00000000-0000-0000-0000-000000000000", "MD5OfMessageBody": digest}


def main() -> None:
    """Serve until terminated."""
    with Sink(("127.0.0.1", 0), _Handler) as server:
        print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
