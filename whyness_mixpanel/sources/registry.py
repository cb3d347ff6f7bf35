"""The sources by name: the three tables of Whyness, and those that a site registers."""

from django.db.models import Model

from whyness_events import InvalidEvent
from whyness_mixpanel.event import Event
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.sources.source import Source
from whyness_mixpanel.sources.whyness import SOURCES

_sources = {source.name: source for source in SOURCES}


class UnknownSource(LookupError):
    """No source has this name, or not exactly one reads this table. The text lists the sources."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.fault} The sources are: {', '.join(names())}."


def register(source: Source) -> None:
    """Register a source; call this in the `ready()` of an AppConfig. The same source may be registered again.

    Raises:
        ValueError: another source has its name.
    """
    if _sources.setdefault(source.name, source) != source:
        raise ValueError(f"A source with the name {source.name} is already registered.")


def get(name: str) -> Source:
    """Return the source of that name.

    Raises:
        UnknownSource: no source has this name.
    """
    try:
        return _sources[name]
    except KeyError:
        raise UnknownSource(f"No source has the name {name}.") from None


def names() -> list[str]:
    """Return the names of all sources."""
    return sorted(_sources)


def event_for(row: Model) -> Event:
    """Return the event of a row: the same one on every path, on every host and at any time.

    The event of a row that has none (it is not saved, or lacks its time or a relation) is invalid: `send()`
    parks it, or raises where RAISE_INVALID holds.

    Raises:
        UnknownSource: no source reads its table, or several do; then use `get(name).event(row)`.
    """
    models = {type(row), row._meta.concrete_model}  # noqa: SLF001  (Django's public API for models)
    labels = {model._meta.label_lower for model in models if model}  # noqa: SLF001  (as above)
    registered = [source for source in _sources.values() if source.model.lower() in labels]
    if len(registered) != 1:
        raise UnknownSource(f"Not exactly one source reads {row._meta.label}.")  # noqa: SLF001  (as above)
    try:
        return registered[0].event(row)
    except Exception as error:
        if is_of_signal(error):
            raise
        event = Event()
        event._fault = error if isinstance(error, InvalidEvent) else _no_event(error)  # noqa: SLF001  (not for call sites)
        return event


def _no_event(error: Exception) -> InvalidEvent:
    found = f"a row whose event cannot be built ({type(error).__name__})"
    return InvalidEvent("event", found, "a row with all that its event needs")
