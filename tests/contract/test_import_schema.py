"""Our schema of /import says what Mixpanel's own OpenAPI file says, where that file is at hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.openapi import SCHEMA_PATH

OFFICIAL = Path(__file__).parents[3] / "shared" / "mixpanel" / "ingestion.openapi.yaml"
# What says nothing about the shape: words, examples, and defaults.
WORDS = ("description", "title", "example", "default", "summary")

Spec = dict[str, Any]


def shape(spec: Spec) -> Spec:
    """Return what a file says about /import: parameters, body, and the body of each answer."""
    post = spec["paths"]["/import"]["post"]
    schemes = spec["components"]["securitySchemes"]
    return {
        "parameters": {(p["in"], p["name"]): bare(p, spec) for p in post["parameters"]},
        "body": bare(post["requestBody"], spec),
        "answers": {status: bare(answer, spec) for status, answer in post["responses"].items()},
        "security": {schemes[name]["scheme"] for way in post["security"] for name in way},
    }


def bare(node: Any, spec: Spec) -> Any:
    """Return a part of a file without words, with references followed and sets in order."""
    if isinstance(node, dict):
        if "$ref" in node:
            return bare(target_of(node["$ref"], spec), spec)
        kept = {key: bare(value, spec) for key, value in node.items() if key not in WORDS}
        return kept | {
            key: sorted(kept[key]) for key in ("required", "enum") if isinstance(kept.get(key), list)
        }
    return [bare(each, spec) for each in node] if isinstance(node, list) else node


def target_of(reference: str, spec: Spec) -> Any:
    """Return what a reference such as `#/components/schemas/X` means."""
    node: Any = spec
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


@pytest.mark.skipif(not OFFICIAL.exists(), reason="Mixpanel's OpenAPI file is not beside this repository")
def test_the_schema_and_mixpanels_own_file_agree() -> None:
    """Whatever Mixpanel adds, drops or retypes shows here as a difference."""
    ours, theirs = (yaml.safe_load(path.read_text()) for path in (SCHEMA_PATH, OFFICIAL))

    assert shape(ours) == shape(theirs)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("parameters", 0, "required"), False),
        (("parameters", 0, "schema", "enum"), ["1"]),
        (("requestBody", "content", "application/json", "schema", "minItems"), 0),
        (("requestBody", "content", "application/json", "schema", "items", "required"), ["event"]),
        (("responses", "400"), {"description": "", "content": {}}),
        (("security",), [{"Basic": []}]),
    ],
)
def test_a_difference_would_be_seen(path: tuple[str | int, ...], value: object) -> None:
    """Return every part of the comparison, changed."""
    spec = yaml.safe_load(SCHEMA_PATH.read_text())
    before = shape(spec)
    node: Any = spec["paths"]["/import"]["post"]
    for step in path[:-1]:
        node = node[step]

    node[path[-1]] = value

    assert shape(spec) != before
