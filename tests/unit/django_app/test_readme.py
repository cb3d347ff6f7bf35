"""The first lines of code that a reader of README.md sees."""

import re
from pathlib import Path
from typing import Any

from django.test import RequestFactory

from example.whyness_django.models import AuthUser, TrackerItem, TrackerLog, UserAgent
from tests.django_support import override, published

README = (Path(__file__).parents[3] / "README.md").read_text()


def test_the_code_of_the_readme_sends_what_it_says(db: None) -> None:  # noqa: ARG001  (a fixture)
    """A row, what a visitor did, and anything else: three events of one view."""
    [code] = re.findall(r"```python\n(.+?)```", README, flags=re.DOTALL)
    user = AuthUser.objects.create(id=7, uid="u", name="A person")
    request = RequestFactory().post("/upload/", headers={"user-agent": "Mozilla/5.0"})
    request.user = user  # type: ignore[assignment]  # the old app has its own class of users

    def save_log(_: object) -> TrackerLog:
        item = TrackerItem.objects.create(title="Video watched")
        useragent = UserAgent.objects.create(useragent="Mozilla/5.0")
        return TrackerLog.objects.create(item=item, user=user, useragent=useragent, method="POST")

    names: dict[str, Any] = {"save_log": save_log}
    exec(code, names)  # noqa: S102  (our own page)
    with override(BACKEND="locmem"):
        names["upload"](request)

    assert [(event["event"], event["user"]) for event in published()] == [
        (name, str(user.pk)) for name in ("Video watched", "Audio upload", "Import finished")
    ]
