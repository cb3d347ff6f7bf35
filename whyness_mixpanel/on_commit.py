"""Holds a transaction's events back until it commits, then publishes all of them together.

Each event has a commit hook of its own, so that Django drops those of a rolled-back savepoint. That hook only
collects; the last hook of the transaction publishes what was collected.
"""

from typing import Any, cast

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel import publisher


class _Publish:
    """The hook that publishes, unless a later one of the same transaction will."""

    def __init__(self, collected: list[str]) -> None:
        self.collected = collected
        self.superseded = False

    def run(self) -> None:
        if self.superseded or not self.collected:
            return
        encoded = list(self.collected)
        self.collected.clear()
        publisher.publish(encoded)


def publish_on_commit(encoded: str, using: str | None = None) -> bool:
    """Publish an encoded event once the transaction it belongs to has committed, or now if there is none.

    Args:
        encoded: what `Event.json()` returned.
        using: alias of the database whose transaction counts; None is the default one.

    Returns:
        In an atomic block: True, the commit hook is registered. Elsewhere: whether the queue confirmed it.
        Where a transaction is managed by hand (autocommit off), nobody can tell when it commits: False.
    """
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        _register(connection, encoded)
        return True
    if connection.connection is not None and not connection.autocommit:
        publisher.record(failed=1, fault="autocommit is off: use transaction.atomic()")
        return False
    return publisher.publish([encoded])


def _register(connection: BaseDatabaseWrapper, encoded: str) -> None:
    # django-stubs 6.1.2 knows two of the three members of a hook: savepoints, function, robust.
    hooks = cast("list[tuple[set[Any], Any, bool]]", connection.run_on_commit)
    earlier = next((hook for _, function, _ in reversed(hooks) if (hook := _publish_of(function))), None)
    collected: list[str] = earlier.collected if earlier else []

    def collect() -> None:
        collected.append(encoded)

    transaction.on_commit(collect, using=connection.alias, robust=True)
    # Entered by hand, as belonging to no savepoint: it must run whatever is rolled back before the commit.
    hooks.append((set(), _Publish(collected).run, True))
    if earlier:
        earlier.superseded = True


def _publish_of(function: object) -> _Publish | None:
    owner = getattr(function, "__self__", None)
    return owner if isinstance(owner, _Publish) else None
