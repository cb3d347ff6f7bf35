"""Checks requests and answers against Mixpanel's official OpenAPI file, which lies beside the repository.

The file knows less than Mixpanel does: no NDJSON bodies, no token auth, no rules for ids, times, counts or
sizes, and no status but 200, 400, 401, 413 and 429.
"""

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

SPEC_PATH = Path(__file__).parents[2] / "shared" / "mixpanel" / "ingestion.openapi.yaml"

needs_openapi_file = pytest.mark.skipif(
    not SPEC_PATH.exists(),
    reason="Mixpanel's OpenAPI file is not beside this repository (shared/mixpanel/ingestion.openapi.yaml)",
)

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
        openapi_core.exceptions.OpenAPIError: it is not what the file describes; `__cause__` says where.
    """
    is_gzip = _header(headers, "Content-Encoding") == "gzip"
    body = gzip.decompress(body_bytes) if is_gzip else body_bytes
    _openapi().validate_request(_Request(method, url, headers, body))


def validate_import_response(status: int, headers: Mapping[str, str], body_bytes: bytes) -> None:
    """Check an answer to POST /import.

    Raises:
        openapi_core.exceptions.OpenAPIError: it is not what the file describes; `__cause__` says where.
    """
    request = _Request("POST", "/import?strict=1&project_id=1", {"Content-Type": "application/json"}, b"")
    _openapi().validate_response(request, _Response(status, headers, body_bytes))


@cache
def _openapi() -> OpenAPI:
    spec: dict[str, Any] = yaml.safe_load(SPEC_PATH.read_text())
    path = spec["paths"]["/import"]
    for parameter in path["post"]["parameters"]:
        parameter["schema"].pop("default", None)  # with a default, a missing parameter would pass
    spec["paths"] = {"/import": path}  # the others, such as "/engage#profile-set", are no paths
    used = {answer["$ref"].rpartition("/")[2] for answer in path["post"]["responses"].values()}
    responses = spec["components"]["responses"]
    spec["components"]["responses"] = {name: responses[name] for name in used}  # others lack a description
    return OpenAPI.from_dict(spec)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for each, value in headers.items() if each.lower() == name.lower()), "")
