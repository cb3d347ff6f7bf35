"""A simulator that listens inside the calling process, for tests and small tools."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from .control import handle
from .faults import Faults
from .server import Server
from .settings import Project, Settings
from .simulator import Simulator

_STOP_S = 10.0


class MixpanelSimulator:
    """A Mixpanel on a loopback port while the `with` block runs.

    Args:
        project_id: of the only project; for several, pass `projects`.
        account: service account.
        password: its secret.
        clock: epoch seconds; see `Simulator`.
        port: 0 = any free one.
        settings: any other of `Settings`.

    Raises:
        SettingsError: at construction.
        OSError: on entering, if the port is taken.
        RuntimeError: on leaving, if the simulator itself failed.
    """

    def __init__(
        self,
        *,
        project_id: str = "123",
        account: str = "account",
        password: str = "password",  # noqa: S107  of a server on loopback that holds nothing
        clock: Callable[[], float] = time.time,
        port: int = 0,
        **settings: Any,
    ) -> None:
        described = {"projects": (Project(project_id=project_id),), **settings}
        self.core = Simulator(Settings(account=account, password=password, **described), clock)
        self._server = Server(lambda request: handle(self.core, request), self.core.faults, port)
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="mixpanel-simulator", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    @property
    def url(self) -> str:
        """The base URL, to which a sender appends /import."""
        return self._server.url

    @property
    def faults(self) -> Faults:
        """The faults; a change takes effect with the next request."""
        return self.core.faults

    def events(self, *, project_id: str = "") -> list[dict[str, Any]]:
        """Return each event once, as a query does."""
        return self.core.events(project_id=project_id)

    def raw_events(self, *, project_id: str = "") -> list[dict[str, Any]]:
        """Return all imported events with their duplicates, in order of arrival."""
        return self.core.events(raw=True, project_id=project_id)

    def profiles(self, *, project_id: str = "") -> list[dict[str, Any]]:
        """Return the profiles as the Query API does."""
        return self.core.profiles(project_id=project_id)

    def deletions(self) -> list[dict[str, Any]]:
        """Return the requests to delete people."""
        return self.core.deletions()

    def move_deletions(self, status: str) -> None:
        """Give every open deletion a status; see `Simulator.move_deletions`."""
        self.core.move_deletions(status)

    def stats(self) -> dict[str, Any]:
        """Return the counters; see `Simulator.stats`."""
        return self.core.stats()

    def configure(self, **changes: Any) -> None:
        """Change settings from the next request on; see `Simulator.configure`."""
        self.core.configure(**changes)

    def reset(self) -> None:
        """Forget everything except the settings."""
        self.core.reset()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result()
        self.faults.on_change = self._follow_faults
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            raise RuntimeError(f"the simulator did not stop within {_STOP_S} s")
        if self._server.errors and error is None:
            raise RuntimeError("the simulator failed while answering a request") from self._server.errors[0]

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            await self._server.start()
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._stop.wait()
        await self._server.stop()

    def _follow_faults(self) -> None:
        """Wait until the port is open or closed as the faults require. The server's thread must not wait."""
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._server.follow_faults(), self._loop).result(_STOP_S)
