"""A stand-in for Mixpanel with TLS that accepts everything and counts; prints its URL as JSON.

The arguments are the files of its certificate and key.
"""

import gzip
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from local.certificate import Certificate

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


class _Sink(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment per answer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        count = len(_ARRAY.decode(gzip.decompress(body)))
        answer = json.dumps({"code": 200, "num_records_imported": count, "status": "OK"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def _context(file: str, key: str) -> ssl.SSLContext:
    return Certificate(Path(file), Path(key)).server_context()


def main() -> None:
    """Serve until terminated."""
    with _Sink(("127.0.0.1", 0), _Handler) as server:
        context = _context(*sys.argv[1:])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        print(json.dumps({"url": f"https://127.0.0.1:{server.server_port}"}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
