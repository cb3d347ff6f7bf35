"""Checks requests and answers of POST /import against the shapes in tests/contract/mixpanel-import.yaml.

The shapes know less than Mixpanel does: no NDJSON bodies, no token auth, no rules for ids, times, counts or
sizes, and no status but 200, 400, 401, 413 and 429.
"""

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import yaml
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

SCHEMA_PATH = Path(__file__).parent / "contract" / "mixpanel-import.yaml"

_HOST = "https://api.mixpanel.com"


class _Request:
    """One request as openapi-core wants to see it, sent to the host that the file knows."""

    host_url = _HOST

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        self.method = method.lower()
        self.path = parts.path
        self.body = body
        self.content_type = _header(headers, "Content-Type")
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(parts.query, keep_blank_values=True)),
            header=Headers(dict(headers)),
        )


class _Response:
    """One answer as openapi-core wants to see it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status_code = status
        self.headers = headers
        self.data = body
        self.content_type = _header(headers, "Content-Type")


def validate_import_request(method: str, url: str, headers: Mapping[str, str], body_bytes: bytes) -> None:
    """Check a request to /import, whatever host it went to.

    Args:
        method: such as "POST".
        url: with the query.
        headers: as sent; a gzip body is unpacked before it is checked.
        body_bytes: as sent.

    Raises:
        openapi_core.exceptions.OpenAPIError: it is not of the shape described; `__cause__` says where.
    """
    is_gzip = _header(headers, "Content-Encoding") == "gzip"
    body = gzip.decompress(body_bytes) if is_gzip else body_bytes
    _openapi().validate_request(_Request(method, url, headers, body))


def validate_import_response(status: int, headers: Mapping[str, str], body_bytes: bytes) -> None:
    """Check an answer to POST /import.

    Raises:
        openapi_core.exceptions.OpenAPIError: it is not of the shape described; `__cause__` says where.
    """
    request = _Request("POST", "/import?strict=1&project_id=1", {"Content-Type": "application/json"}, b"")
    _openapi().validate_response(request, _Response(status, headers, body_bytes))


@cache
def _openapi() -> OpenAPI:
    return OpenAPI.from_dict(yaml.safe_load(SCHEMA_PATH.read_text()))


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for each, value in headers.items() if each.lower() == name.lower()), "")
