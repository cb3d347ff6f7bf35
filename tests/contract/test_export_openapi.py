"""The simulator's export is what Mixpanel's own OpenAPI file says, where that file is at hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.exceptions import OpenAPIError

from local.mixpanel_simulator import MixpanelSimulator

OFFICIAL = Path(__file__).parents[3] / "shared" / "mixpanel" / "export.openapi.yaml"
QUERY = {"project_id": "123", "from_date": "2025-11-01", "to_date": "2025-11-30"}

pytestmark = pytest.mark.skipif(
    not OFFICIAL.exists(), reason="Mixpanel's OpenAPI file is not beside this repository"
)


@pytest.fixture(scope="module")
def official() -> OpenAPI:
    """Return the file, for the simulator's host."""
    spec = yaml.safe_load(OFFICIAL.read_text())
    return OpenAPI.from_dict(spec)


@pytest.fixture
def mixpanel() -> Iterator[MixpanelSimulator]:
    """Return a simulator with two events of the month that QUERY asks for."""
    with MixpanelSimulator(account="acct", password="pw", export_per_s=100) as running:
        events = [
            {
                "event": "Signed up",
                "properties": {"time": 1_762_500_000, "distinct_id": "u", "$insert_id": str(n)},
            }
            for n in (1, 2)
        ]
        requests.post(
            f"{running.url}/import?strict=1&project_id=123", json=events, auth=("acct", "pw"), timeout=20
        ).raise_for_status()
        yield running


def ask(mixpanel: MixpanelSimulator, query: dict[str, str]) -> requests.Response:
    """Ask the simulator."""
    return requests.get(f"{mixpanel.url}/api/2.0/export", params=query, auth=("acct", "pw"), timeout=20)


def described() -> dict[str, Any]:
    """Return what the file says of the export."""
    operation: dict[str, Any] = yaml.safe_load(OFFICIAL.read_text())["paths"]["/export"]["get"]
    return operation


def at_mixpanel(query: dict[str, str]) -> RequestsOpenAPIRequest:
    """Return the same query, sent to the host that the file knows."""
    url = "https://data.mixpanel.com/api/2.0/export"
    return RequestsOpenAPIRequest(requests.Request("GET", url, params=query, auth=("acct", "pw")).prepare())


@pytest.mark.parametrize(
    "query", [{}, {"time_in_ms": "true"}, {"event": '["Signed up"]'}, {"limit": "1"}, {"event": "[]"}]
)
def test_each_documented_query_is_answered_as_documented(
    official: OpenAPI, mixpanel: MixpanelSimulator, query: dict[str, str]
) -> None:
    """The query satisfies the file, and so does the answer."""
    asked, answer = at_mixpanel(QUERY | query), ask(mixpanel, QUERY | query)

    official.validate_request(asked)
    official.validate_response(asked, RequestsOpenAPIResponse(answer))
    assert (answer.status_code, bool(answer.text)) == (200, True)


def test_what_the_file_requires_the_simulator_requires(
    official: OpenAPI, mixpanel: MixpanelSimulator
) -> None:
    """A query without it is refused by both."""
    required = [each["name"] for each in described()["parameters"] if each.get("required")]

    for name in required:
        query = {key: value for key, value in QUERY.items() if key != name}
        with pytest.raises(OpenAPIError):
            official.validate_request(at_mixpanel(query))
        assert ask(mixpanel, query).status_code == 400
    assert len(required) == 2


def test_an_exported_event_has_what_the_example_has(mixpanel: MixpanelSimulator) -> None:
    """The same keys, with values of the same types."""
    example = described()["responses"]["200"]["content"]["text/plain"]["schema"]["example"]
    theirs, ours = (json.loads(text.splitlines()[0]) for text in (example, ask(mixpanel, QUERY).text))

    assert set(theirs) == set(ours)
    assert {name: type(value) for name, value in theirs["properties"].items()} == {
        name: type(ours["properties"][name]) for name in theirs["properties"]
    }
