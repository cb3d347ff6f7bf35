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
    """Answers each request in a new thread. Closing it waits for running requests."""

    daemon_threads = False
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without a DNS request for this host's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, except that a visitor left or sent no request."""
        if not isinstance(sys.exception(), TimeoutError | ConnectionError):
            super().handle_error(request, client_address)


class QuietHandler(WSGIRequestHandler):
    """Logs no requests, because addresses are personal data, and does not wait for idle connections."""

    timeout = 2.0  # seconds; browsers open connections in advance, which would delay the end of the server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class's name for it)
        """Log nothing."""


class Command(BaseCommand):
    """Serve the example until SIGTERM or Ctrl-C."""

    help = "Serve the example on 127.0.0.1, and print a line of JSON with its URL once it answers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --port."""
        parser.add_argument("--port", type=int, default=8000, help="0 takes a free port (default: 8000)")

    def handle(self, *, port: int, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Serve."""
        try:
            server = ThreadedServer((LOOPBACK, port), QuietHandler)
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used: {error.strerror}. Use --port 0 for a free port."
            ) from error
        with server:
            # Serves the admin's files even with DEBUG off; a real site has a web server for that.
            server.set_app(StaticFilesHandler(get_wsgi_application()))

            def stop(_number: int, _frame: object) -> None:
                # shutdown() waits for the loop, which runs in this thread.
                threading.Thread(target=server.shutdown).start()

            signal.signal(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, stop)
            self.stdout.write(json.dumps({"url": f"http://{LOOPBACK}:{server.server_port}/"}))
            self.stdout.flush()
            server.serve_forever()
