"""docs/reference/python.md: what a site may import, with its docstrings."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.db.models import Model

from tests import django_support  # noqa: F401  (it sets Django up)
from tests.reference.markdown import code
from tests.unit.django_app.test_public_paths import PUBLIC

# Those of Event that a site calls.
_METHODS = {"Event": ("send", "asend", "json")}
_SECTION = re.compile(r"^(Args|Returns|Raises):\n((?: .*\n|\n)*)", re.MULTILINE)
_ITEM = re.compile(r"^    ([\w., ]+): (.*(?:\n     .*)*)", re.MULTILINE)


def python_api() -> str:
    """Return a section for each public module."""
    return "\n\n".join(part for path, names in PUBLIC.items() for part in _module(path, names))


def _module(path: str, names: list[str]) -> Iterator[str]:
    module = import_module(path)
    yield f"### {path}"
    yield from _docstring(inspect.getdoc(module) or "")
    things = {name: getattr(module, name) for name in names}
    data = [code(name) for name, thing in things.items() if not _has_docstring(thing)]
    if data:
        yield f"Names: {', '.join(data)}."
    for name, thing in things.items():
        if _has_docstring(thing):
            yield from _member(path, name, thing)
        for method in _METHODS.get(name, ()):
            yield from _member(path, f"{name}.{method}", getattr(thing, method))


def _has_docstring(thing: Any) -> bool:
    """Return whether it explains itself; a tuple or a signal has its class's docstring."""
    return callable(thing) and bool(inspect.getdoc(thing))


def _member(path: str, name: str, thing: Any) -> Iterator[str]:
    short = path.rpartition(".")[2]
    yield f"#### {name}" if short == "whyness_mixpanel" else f"#### {short}.{name}"
    yield code(f"{path}.{name}{_signature(thing)}")
    yield from _docstring(inspect.getdoc(thing) or "")


def _signature(thing: Any) -> str:
    """Return the parameters without their types, which are long: mypy and editors show those."""
    if inspect.isclass(thing) and (
        issubclass(thing, Exception | Model) or getattr(thing, "_is_protocol", False)
    ):
        return ""
    signature = inspect.signature(thing)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    shown = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    return re.sub(r"mappingproxy\((.*?)\)", r"\1", str(shown))  # which some versions of Python name


def _docstring(text: str) -> Iterator[str]:
    text += "\n"
    told = _SECTION.sub("", text).strip()
    if told:
        yield told
    for heading, body in _SECTION.findall(text):
        items = _ITEM.findall(body)
        lines = [f"- {_names(names)}: {' '.join(said.split())}" for names, said in items]
        yield f"{heading}:"
        yield "\n".join(lines) or " ".join(body.split())


def _names(names: str) -> str:
    return ", ".join(code(name.strip()) for name in names.split(","))
