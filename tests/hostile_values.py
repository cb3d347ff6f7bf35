"""Values that misbehave: every method of theirs raises, or returns nonsense."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.utils.functional import SimpleLazyObject
from hypothesis import strategies as st

METHODS = (
    *("__eq__", "__ne__", "__lt__", "__bool__", "__len__", "__iter__", "__next__", "__contains__"),
    *("__getitem__", "__str__", "__repr__", "__format__", "__int__", "__float__", "__index__", "__abs__"),
    *("__html__", "__json__", "__array__", "items", "keys", "values", "get", "isoformat", "utcoffset"),
    *("total_seconds", "encode", "lower", "startswith", "isascii", "bit_length", "copy"),
)
KINDS = (str, int, float, list, tuple, dict, set, frozenset, timedelta)
_SAMPLES: dict[type, tuple[Any, Any]] = {
    str: ("text", "text"),
    int: (7, 7),
    float: (1.5, 1.5),
    list: ([1, "a"], [1, "a"]),
    tuple: ((1, "a"), [1, "a"]),
    dict: ({"a": 1}, {"a": 1}),
    set: ({1}, [1]),
    frozenset: ({1}, [1]),
    timedelta: (60, 5_184_000.0),
}


class Text(str):
    """A text that shows another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Counted(str):
    """A text that is equal to nothing."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)


def endless() -> Iterator[int]:
    """Yield without an end."""
    while True:
        yield 1


def nested(kind: type, levels: int) -> Any:
    """Return lists or dictionaries, one in the other."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind is list else {"a": value}
    return value


def in_itself() -> Any:
    """Return a container that contains itself, many times over."""
    value: dict[str, Any] = {}
    value |= {"list": [value] * 9} | dict.fromkeys("abcdefghi", value)
    return value


def hostile(
    kind: type, behave: Callable[[], Any] | None = None, *, even_its_type: bool = False
) -> tuple[Any, Any]:
    """Return an instance of a class of its own, and what it holds."""
    sample, expected = _SAMPLES[kind]
    own = _misbehaving(kind, behave or _raise(ZeroDivisionError), even_its_type=even_its_type)
    return own(sample), expected


def _raise(error: type[BaseException], text: str = "") -> Callable[[], Any]:
    def behave() -> Any:
        raise error(text)

    return behave


def _misbehaving(base: type, behave: Callable[[], Any], *, even_its_type: bool = False) -> Any:
    def method(*_: Any, **__: Any) -> Any:
        return behave()

    members: dict[str, Any] = dict.fromkeys(METHODS, method)
    members |= {"__hash__": id, "__class__": property(method)}
    if base is object:
        members["__getattr__"] = method
    if not even_its_type:
        return type("Misbehaving", (base,), members)
    of_type = dict.fromkeys(
        ("__eq__", "__hash__", "__bool__", "__instancecheck__", "__subclasscheck__"), method
    )
    return type("Misbehaver", (type,), of_type)("Misbehaving", (base,), members)


def misbehaving(secret: str) -> st.SearchStrategy[Any]:
    """Return values of every kind that raise anything or say nonsense; what is raised has a secret in it."""
    errors = (
        ValueError, TypeError, ZeroDivisionError, KeyError, AttributeError, RecursionError, MemoryError,
        StopIteration, OSError, UnicodeError, AssertionError, NotImplementedError,
    )  # fmt: skip
    nonsense = st.sampled_from([None, 7, "x", b"", [], True, float("nan"), object(), secret, 2**80])
    behaviours = st.one_of(
        st.sampled_from(errors).map(lambda error: _raise(error, secret)),
        nonsense.map(lambda value: lambda: value),
    )
    kinds = st.sampled_from([object, *KINDS])
    own = st.builds(_instance, kinds, behaviours)
    lazily = st.builds(SimpleLazyObject, behaviours)
    others = st.builds(
        lambda make: make(),
        st.sampled_from([endless, in_itself, lambda: nested(list, 5_000), lambda: nested(dict, 5_000)]),
    )
    plain = st.one_of(
        st.none(), st.integers(), st.floats(), st.text(st.characters(), max_size=9), st.binary()
    )
    return st.recursive(
        own | lazily | others | plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    )


def _instance(kind: type, behave: Callable[[], Any]) -> Any:
    if kind is object:
        return _misbehaving(object, behave)()
    return hostile(kind, behave)[0]
