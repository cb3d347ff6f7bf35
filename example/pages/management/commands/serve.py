"""`manage.py serve`: the example over HTTP, on this machine only."""

import json
import signal
import socketserver
import sys
import threading
from argparse import ArgumentParser
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application

LOOPBACK = "127.0.0.1"


class ThreadedServer(socketserver.ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own, and when closed waits for those under way."""

    daemon_threads = False
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without asking a name server for this host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, but not a visitor who left, or who never asked for anything."""
        if not isinstance(sys.exception(), TimeoutError | ConnectionError):
            super().handle_error(request, client_address)


class QuietHandler(WSGIRequestHandler):
    """Does not log each request, for addresses are personal data, and waits for none."""

    timeout = 2.0  # seconds; browsers open connections in advance, which would keep the server from ending

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name for it)
        """Log nothing."""


class Command(BaseCommand):
    """Serve the example until SIGTERM or Ctrl-C."""

    help = "Serve the example on 127.0.0.1; prints one line of JSON with its url when it answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --port."""
        parser.add_argument("--port", type=int, default=8000, help="0 takes any free port (default: 8000)")

    def handle(self, *, port: int, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Serve."""
        try:
            server = ThreadedServer((LOOPBACK, port), QuietHandler)
        except OSError as error:
            raise CommandError(f"Port {port}: {error.strerror}. --port 0 takes any free one.") from error
        with server:
            # The admin's files, with DEBUG off too: a real site has a web server for them.
            server.set_app(StaticFilesHandler(get_wsgi_application()))

            def stop(_number: int, _frame: object) -> None:
                # shutdown() waits for the loop that this very thread runs.
                threading.Thread(target=server.shutdown).start()

            signal.signal(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, stop)
            self.stdout.write(json.dumps({"url": f"http://{LOOPBACK}:{server.server_port}/"}))
            self.stdout.flush()
            server.serve_forever()
