"""Publishes in the thread that commits: for local backends, and where no second writer is possible."""

from uuid import uuid4

from django.db.backends.base.base import BaseDatabaseWrapper

from whyness_mixpanel.forks import in_child
from whyness_mixpanel.publishing.worker import Worker


class Batch:
    """The rows of one transaction, claimed as they are written; the first hook that runs publishes them."""

    def __init__(self, alias: str) -> None:
        self.claim, self.alias = uuid4().hex, alias
        self.is_done = False

    @classmethod
    def of(cls, connection: BaseDatabaseWrapper) -> "Batch":
        """Return the batch of the open transaction, or a new one."""
        hooks = (hook for _, hook, *_ in reversed(connection.run_on_commit) if isinstance(hook, AtCommit))
        last = next(hooks, None)
        return last.batch if last and not last.batch.is_done else cls(connection.alias)


class AtCommit:
    """The commit hook of one send; Django drops it with its savepoint."""

    def __init__(self, batch: Batch, first_id: int) -> None:
        self.batch, self._first_id = batch, first_id

    def __call__(self) -> None:
        """Publish the rows of the transaction, from this send on."""
        if not self.batch.is_done:
            self.batch.is_done = True
            worker.publish_own(self.batch.claim, self.batch.alias, self._first_id)


@in_child
def start_afresh() -> None:
    """Make a new worker, without the failures of the parent."""
    global worker  # noqa: PLW0603  (one per process)
    worker = Worker()


worker = Worker()
