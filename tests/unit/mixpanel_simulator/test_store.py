from collections.abc import Iterator

from local.mixpanel_simulator.ingest import StoredEvent
from local.mixpanel_simulator.store import EventStore


def line_of(key: bytes, copy: int, size_bytes: int = 0) -> bytes:
    """Return a line that names its key and its copy."""
    return b'{"key":"%b","copy":%d,"pad":"%b"}' % (key, copy, b"x" * size_bytes)


def filled(keys: list[bytes | None], size_bytes: int = 0) -> EventStore:
    """Return a store with one event a key, in order."""
    store = EventStore()
    for copy, key in enumerate(keys):
        store.add(StoredEvent(key, line_of(key or b"none", copy, size_bytes)))
    return store


def joined(blocks: Iterator[bytes]) -> list[bytes]:
    """Return the lines of all blocks."""
    return b"".join(blocks).splitlines()


def test_empty_store_shows_nothing() -> None:
    """Neither raw nor deduplicated."""
    store = EventStore()

    assert joined(store.lines()) == joined(store.lines(raw=True)) == []
    assert (store.raw_count, store.unique_count) == (0, 0)


def test_newest_copy_of_a_key_is_shown_and_all_are_kept() -> None:
    """In order of arrival."""
    store = filled([b"a", b"b", b"a", b"a"])

    assert joined(store.lines()) == [line_of(b"b", 1), line_of(b"a", 3)]
    assert joined(store.lines(raw=True)) == [line_of(k, n) for n, k in enumerate([b"a", b"b", b"a", b"a"])]
    assert (store.raw_count, store.unique_count) == (4, 2)


def test_events_without_a_key_are_all_shown() -> None:
    """They never take part in deduplication."""
    store = filled([None, None])

    assert len(joined(store.lines())) == store.unique_count == 2


def test_copies_are_found_across_sealed_blocks() -> None:
    """A copy hides one that was packed away long before."""
    keys: list[bytes | None] = [b"k%d" % number for number in range(100)]
    store = filled([*keys, *keys[:50], b"new"], size_bytes=50_000)

    shown = joined(store.lines())

    assert len(store._sealed) > 5
    assert shown == [
        line_of(k or b"", n, 50_000) for n, k in enumerate([*keys, *keys[:50], b"new"]) if n >= 50
    ]
    assert store.unique_count == 101
    assert len(joined(store.lines(raw=True))) == store.raw_count == 151


def test_reading_shows_the_moment_it_was_asked_for() -> None:
    """Events that come while someone reads neither appear nor hide others."""
    store = filled([b"a", b"b"])

    blocks = store.lines()
    store.add(StoredEvent(b"a", b"{}"))

    assert joined(blocks) == [line_of(b"a", 0), line_of(b"b", 1)]


def test_blocks_end_with_a_line_break() -> None:
    """So that they can be sent one after the other."""
    assert all(block.endswith(b"\n") for block in filled([b"a", b"b"], size_bytes=2_000_000).lines())


def test_what_is_removed_is_gone_and_the_rest_is_as_it_was() -> None:
    """Every copy of it, sealed or not; and the newest of a key is still the one that shows."""
    store = filled([b"a", b"b", b"a", None, b"b"], size_bytes=600_000)

    removed = store.remove(lambda line: b'"key":"a"' in line)

    assert removed == 2
    assert [line[8:12] for line in joined(store.lines(raw=True))] == [b'b","', b"none", b'b","']
    assert (store.raw_count, store.unique_count) == (3, 2)
    store.add(StoredEvent(b"b", line_of(b"b", 7)))
    assert joined(store.lines())[-1] == line_of(b"b", 7)
    assert (store.raw_count, store.unique_count) == (4, 2)


def test_a_store_may_be_emptied() -> None:
    """No empty line is left of it."""
    store = filled([b"a"])

    store.remove(lambda _: True)

    assert joined(store.lines(raw=True)) == []
    assert (store.raw_count, store.unique_count) == (0, 0)
