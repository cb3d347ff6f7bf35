"""docs/reference/python.md: what a site may import, with its docstrings."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import whyness_mixpanel
from tests import django_support  # noqa: F401  (it sets Django up)
from tests.reference.markdown import code
from whyness_mixpanel import backends, counters, event, pytest_plugin, signals, sources, testing, track, views

_EVENT = event.Event
# By the name under which a site imports it.
API: dict[str, Any] = {
    "whyness_mixpanel.track.track": track.track,
    "whyness_mixpanel.track.atrack": track.atrack,
    "whyness_mixpanel.track.event_of": track.event_of,
    "whyness_mixpanel.track.address_of": track.address_of,
    "whyness_mixpanel.models.Event": _EVENT,
    "whyness_mixpanel.models.Event.send": _EVENT.send,
    "whyness_mixpanel.models.Event.asend": _EVENT.asend,
    "whyness_mixpanel.models.Event.json": _EVENT.json,
    "whyness_mixpanel.send_many": whyness_mixpanel.send_many,
    "whyness_mixpanel.sources.event_for": sources.event_for,
    "whyness_mixpanel.sources.register": sources.register,
    "whyness_mixpanel.sources.Source": sources.Source,
    "whyness_mixpanel.backends.Answer": backends.Answer,
    "whyness_mixpanel.backends.CannotSend": backends.CannotSend,
    "whyness_mixpanel.counters.snapshot": counters.snapshot,
    "whyness_mixpanel.signals": signals,
    "whyness_mixpanel.testing.sent_events": testing.sent_events,
    "whyness_mixpanel.testing.published_events": testing.published_events,
    "whyness_mixpanel.testing.clear": testing.clear,
    "whyness_mixpanel.pytest_plugin": pytest_plugin,
    "whyness_mixpanel.views.health": views.health,
}
_SECTION = re.compile(r"^(Args|Returns|Raises):\n((?: .*\n|\n)*)", re.MULTILINE)
_ITEM = re.compile(r"^    ([\w., ]+): (.*(?:\n     .*)*)", re.MULTILINE)


def python_api() -> str:
    """Return a section for each public name."""
    return "\n\n".join(part for name, thing in API.items() for part in _section(name, thing))


def _section(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name.removeprefix('whyness_mixpanel.').removeprefix('models.')}"
    yield code(name + _signature(thing))
    yield from _docstring(inspect.getdoc(thing) or "")


def _signature(thing: Any) -> str:
    """Return the parameters without their types, which are long: mypy and editors show those."""
    if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, Exception)):
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
