"""The simulator's profiles are what Mixpanel's own OpenAPI file says, where that file is at hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.exceptions import OpenAPIError

from local.mixpanel_simulator import MixpanelSimulator, Project

OFFICIAL = Path(__file__).parents[3] / "shared" / "mixpanel" / "ingestion.openapi.yaml"
OPERATIONS = {"$set": "profile-set", "$unset": "profile-unset", "$delete": "profile-delete"}
OPERANDS: dict[str, Any] = {"$set": {"plan": "trial"}, "$unset": ["plan"], "$delete": ""}
WITHOUT_ADDRESS = {"ip": "0"}

pytestmark = pytest.mark.skipif(
    not OFFICIAL.exists(), reason="Mixpanel's OpenAPI file is not beside this repository"
)


def described(operator: str) -> dict[str, Any]:
    """Return what the file says of an operator, whose path has a fragment that no request has."""
    spec: dict[str, Any] = yaml.safe_load(OFFICIAL.read_text())
    return spec | {"paths": {"/engage": spec["paths"][f"/engage#{OPERATIONS[operator]}"]}}


def official(operator: str) -> OpenAPI:
    """Return the file, of that operator alone; it calls a plain `1` an integer."""
    return OpenAPI.from_dict(described(operator), Config(extra_media_type_deserializers={"text/plain": int}))


@pytest.fixture
def mixpanel() -> Iterator[MixpanelSimulator]:
    """Return a simulator with a project that has a token."""
    with MixpanelSimulator(projects=(Project(project_id="123", token="tok"),)) as running:
        yield running


def make_update(operator: str) -> dict[str, Any]:
    """Return an update with what the file requires."""
    return {"$token": "tok", "$distinct_id": "u-1", operator: OPERANDS[operator]}


def at_mixpanel(updates: object, query: dict[str, str]) -> RequestsOpenAPIRequest:
    """Return the request, sent to the host that the file knows."""
    url = "https://api.mixpanel.com/engage"
    return RequestsOpenAPIRequest(requests.Request("POST", url, params=query, json=updates).prepare())


def send(mixpanel: MixpanelSimulator, updates: object, query: dict[str, str]) -> requests.Response:
    """Send the same request to the simulator."""
    return requests.post(f"{mixpanel.url}/engage", params=query, json=updates, timeout=20)


@pytest.mark.parametrize("operator", OPERATIONS)
def test_each_documented_update_is_answered_as_documented(mixpanel: MixpanelSimulator, operator: str) -> None:
    """The request satisfies the file, and so does the answer, that to an invalid one too."""
    spec, updates = official(operator), [make_update(operator)]
    query = WITHOUT_ADDRESS if operator != "$delete" else {}
    asked = at_mixpanel(updates, query)

    answers = [send(mixpanel, updates, query), send(mixpanel, [5], query)]

    spec.validate_request(asked)
    for answer in answers:
        spec.validate_response(asked, RequestsOpenAPIResponse(answer))
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "1"), (200, "0")]


@pytest.mark.parametrize("operator", OPERATIONS)
def test_what_the_file_requires_the_simulator_requires(mixpanel: MixpanelSimulator, operator: str) -> None:
    """An update without it is refused by both."""
    spec = described(operator)["paths"]["/engage"]["post"]["requestBody"]["content"]["application/json"]
    required = spec["schema"]["items"]["required"]

    for name in required:
        update = {key: value for key, value in make_update(operator).items() if key != name}
        with pytest.raises(OpenAPIError):
            official(operator).validate_request(at_mixpanel([update], {}))
        assert send(mixpanel, [update], {}).text == "0"
    assert set(required) == {"$token", "$distinct_id", operator}


@pytest.mark.parametrize("updates", [[], [5], [make_update("$set") | {"$set": 5}]])
def test_what_the_file_refuses_the_simulator_refuses(mixpanel: MixpanelSimulator, updates: object) -> None:
    """An empty request, and wrong types."""
    with pytest.raises(OpenAPIError):
        official("$set").validate_request(at_mixpanel(updates, WITHOUT_ADDRESS))

    assert send(mixpanel, updates, WITHOUT_ADDRESS).text == "0"


def test_verbose_answer_has_the_two_keys_that_the_file_names(mixpanel: MixpanelSimulator) -> None:
    """The file has no schema of it, only a sentence."""
    parameters = described("$set")["paths"]["/engage"]["post"]["parameters"]
    sentence = next(each["description"] for each in parameters if each["name"] == "verbose")

    answer = send(mixpanel, [make_update("$set")], WITHOUT_ADDRESS | {"verbose": "1"}).json()

    assert all(f"`{name}`" in sentence for name in answer)
    assert answer.keys() == {"status", "error"}


@pytest.mark.parametrize("status", [401, 403])
def test_scripted_refusal_is_as_documented(mixpanel: MixpanelSimulator, status: int) -> None:
    """With the words that the fault gives, or the simulator's."""
    body = {"error": "no", "status": "error"} if status == 403 else None
    mixpanel.faults.add(api="engage", status=status, body=body)
    asked = at_mixpanel([make_update("$set")], WITHOUT_ADDRESS)

    answer = send(mixpanel, [make_update("$set")], WITHOUT_ADDRESS)

    official("$set").validate_response(asked, RequestsOpenAPIResponse(answer))
    assert json.loads(answer.text)["status"] == "error"
