"""The relay in gunicorn's workers, which are replaced while visitors come."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.django.relay_project import until
from tests.integration.django.test_outbox_processes import LEASES_END, Project
from tests.integration.django.test_servers import (
    SITE,
    Queue,
    expected_pages,
    gunicorn,
    project,
    use_sqs,
    visit,
)
from tests.loopback import LoopbackServer

__all__ = ["project"]


@pytest.mark.parametrize("is_preloaded", [False, True], ids=["gthread", "preload"])
def test_a_reload_under_traffic_loses_nothing(
    project: Project, tmp_path: Path, *, is_preloaded: bool
) -> None:
    """Twice: what a page has said to be written is published, and nothing that was rolled back."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: `make test` installs it")
    (tmp_path / "site_of_test.py").write_text(SITE.format(used="", is_preloaded=is_preloaded))
    queue, pid_file, answered = Queue(), tmp_path / "pid", set[int]()

    def visit_page(url: str, number: int) -> None:
        with suppress(OSError):  # a worker that is being replaced may refuse
            assert visit(f"{url}?n={number}") == "True"
            answered.add(number)

    with LoopbackServer(queue.answer) as sqs:
        use_sqs(project, sqs.url)
        options = [f"--pid={pid_file}", *["--preload"] * is_preloaded]
        with gunicorn(project, *options) as url, ThreadPoolExecutor(8) as visitors:
            for first in (100, 200):
                enough = len(answered) + 20
                visits = [visitors.submit(visit_page, url, first + number) for number in range(80)]
                until(lambda enough=enough: len(answered) > enough)  # type: ignore[misc]
                os.kill(int(pid_file.read_text()), signal.SIGHUP)
                [each.result() for each in visits]
        project.run(*project.script(LEASES_END))
        project.run("-m", "django", "mixpanel_outbox", "drain")

    committed = expected_pages(range(100, 280))
    assert len(answered) > 100
    assert {page for page in committed if int(page[3]) in answered} <= set(queue.pages()) <= set(committed)
