"""Read the deployed template as data: the local pipeline is configured as the real one."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

import yaml

TEMPLATE_PATH = Path(__file__).parents[1] / "infra" / "template.yaml"
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateError(ValueError):
    """The template, or a resource or value in it, is missing."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref x` is read as `{"Ref": "x"}`."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # the third kind of three
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


class Template:
    """A template with the values of its parameters and references.

    Args:
        document: the template's content.
        values: by name, what `Ref` and `Sub` give (parameters, logical ids, `AWS::Region` …), and as
            `LogicalId.Attribute` what `GetAtt` gives. Other parameters have their defaults.
    """

    def __init__(self, document: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        parameters = document.get("Parameters", {})
        defaults = {name: node["Default"] for name, node in parameters.items() if "Default" in node}
        self._document = document
        self._values = {**defaults, **values}

    @classmethod
    def read(cls, path: Path = TEMPLATE_PATH, **parameters: str) -> Self:
        """Read a template file.

        Raises:
            TemplateError: the file is missing.
        """
        if not path.is_file():
            raise TemplateError(f"{path} is missing. The local pipeline reads its configuration there.")
        return cls(_parse(path.read_text()), parameters)

    def with_values(self, values: Mapping[str, Any]) -> "Template":
        """Return the same template with more values."""
        return Template(self._document, {**self._values, **values})

    def value(self, name: str) -> str:
        """Return what `Ref` to this name gives.

        Raises:
            TemplateError: it has no value.
        """
        try:
            return str(self._values[name])
        except KeyError:
            raise TemplateError(f"the template's {name} has no value") from None

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return a resource's `Properties`. References without a value stay as they are.

        Raises:
            TemplateError: there is no such resource.
        """
        try:
            resource = self._document["Resources"][logical_id]
        except KeyError:
            raise TemplateError(f"the template has no resource {logical_id}") from None
        resolved: dict[str, Any] = self._resolve(resource["Properties"])
        return resolved

    def _resolve(self, node: Any) -> Any:
        match node:
            case {"Ref": str(name)} if len(node) == 1:
                return self._values.get(name, node)
            case {"Fn::GetAtt": [*path]}:
                return self._values.get(".".join(path), node)
            case {"Fn::Sub": str(text)}:
                return _PLACEHOLDER.sub(lambda match: str(self._values.get(match[1], match[0])), text)
            case dict():
                return {key: self._resolve(value) for key, value in node.items()}
            case list():
                return [self._resolve(item) for item in node]
        return node


@cache  # it takes a tenth of a second, and the tests read the same template a hundred times
def _parse(text: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    return document
