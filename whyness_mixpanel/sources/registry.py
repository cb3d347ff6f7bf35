"""The sources by name: the three tables of Whyness, and whatever else is registered."""

from whyness_mixpanel.sources.source import Source
from whyness_mixpanel.sources.whyness import SOURCES

_sources = {source.name: source for source in SOURCES}


class UnknownSource(LookupError):  # noqa: N818  (it is the source that is unknown)
    """No source has this name; the text says which there are."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no source {self.name}. There are: {', '.join(names())}."


def register(source: Source) -> None:
    """Add a source; call it in the `ready()` of an AppConfig. The same one may be added again.

    Raises:
        ValueError: another source has its name.
    """
    if _sources.setdefault(source.name, source) != source:
        raise ValueError(f"two sources are named {source.name}")


def get(name: str) -> Source:
    """Return the source of that name.

    Raises:
        UnknownSource: there is none.
    """
    try:
        return _sources[name]
    except KeyError:
        raise UnknownSource(name) from None


def names() -> list[str]:
    """Return the names of all sources."""
    return sorted(_sources)
