"""Edge: the page over HTTP. Whoever has the token may look and press, on this machine, at this address."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from whyness_ops.errors import NotFound, OpsError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from whyness_ops.live.watching import Watch

PAGE: Final = Path(__file__).with_name("page")
TOKEN_HEADER: Final = "X-Whyness-Token"  # noqa: S105  (its name)
HOSTS: Final = ("127.0.0.1", "localhost")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(watch: "Watch", token: str) -> Starlette:
    """Return the application. The page itself holds nothing; numbers and buttons ask for the token."""

    def numbers(request: Request) -> Response:
        return _refusal(request, token) or JSONResponse(watch.look())

    def press(request: Request) -> Response:
        return _refusal(request, token) or _done(lambda: watch.press(request.path_params["name"]))

    return Starlette(
        routes=[
            Route("/", lambda _: FileResponse(PAGE / "live.html")),
            Route("/numbers", numbers),
            Route("/press/{name}", press, methods=["POST"]),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        # Hosts first: a name that leads here by DNS is another site's.
        middleware=[
            Middleware(_SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=[*HOSTS], www_redirect=False),
        ],
    )


def _refusal(request: Request, token: str) -> Response | None:
    """Return why a request may not have its answer; None if it may."""
    own = f"http://{request.headers.get('host', '')}"
    origin = request.headers.get("origin")
    # A browser names the origin of every POST, and of every request of another site that can be read.
    if origin != own and (request.method == "POST" or origin is not None):
        return _error(HTTPStatus.FORBIDDEN, "This request comes from another site.")
    given = request.headers.get(TOKEN_HEADER, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        text = "The token is missing or wrong. Open the address that the command printed, all of it."
        return _error(HTTPStatus.FORBIDDEN, text)
    return None


def _done(act: Callable[[], str]) -> Response:
    try:
        return JSONResponse({"said": act()})
    except NotFound as error:
        return _error(HTTPStatus.NOT_FOUND, str(error))
    except OpsError as error:
        return _error(HTTPStatus.BAD_GATEWAY, str(error))


def _error(status: HTTPStatus, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)


class _SafeHeaders:
    """Adds HEADERS to every answer, those of refusals and errors too."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        async def send_safely(message: "Message") -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_safely)
