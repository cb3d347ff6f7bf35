"""POST /engage: answer a request as Mixpanel does, and change profiles, now or later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random

from .api_request import ApiRequest
from .fault import Fault
from .profiles import Profiles
from .reply import NOT_JSON, Reply, error_reply, json_reply, too_large_error
from .settings import Settings
from .updates import EMPTY_ERROR, Update, read_updates

PATHS = ("/engage", "/engage/")


@dataclass(frozen=True, slots=True)
class _Late:
    """A request that was answered, or not, and acts later: at `due_s`, or if `swapped` after the next one."""

    due_s: float
    swapped: bool
    act: Callable[[], None]


class People:
    """The profiles of all projects. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.profiles = {project.project_id: Profiles() for project in settings.projects}
        self._late: list[_Late] = []
        self._request_count = 0

    def engage(self, request: ApiRequest, settings: Settings, now_s: float) -> Reply:
        """Answer a request that arrived at `now_s`, in epoch seconds."""
        if len(request.body.raw) > settings.max_body_bytes:
            return error_reply(413, too_large_error(settings.max_body_bytes))
        self._request_count += 1
        try:
            taken, problems = self._judged(request, settings)
        except NOT_JSON:
            taken, problems = [], [EMPTY_ERROR]
        act = partial(self._act, taken, request.query, settings, now_s)
        fault = request.fault
        if fault and fault.late_s:
            self._late.append(_Late(now_s + fault.late_s, fault.swap, act))
        else:
            act()
            self._catch_up(lambda late: late.swapped)
        return _reply(request, len(taken), problems, settings)

    def catch_up(self, now_s: float) -> None:
        """Carry out what was to act by now."""
        self._catch_up(lambda late: late.due_s <= now_s)

    def _judged(self, request: ApiRequest, settings: Settings) -> tuple[list[Update], list[str]]:
        media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if (
            media_type != "application/json"
            or request.headers.get("content-encoding", "identity") != "identity"
        ):
            return [], [EMPTY_ERROR]
        updates = list(read_updates(request.body.raw, settings))
        if not 0 < len(updates) <= settings.max_events:
            return [], [f"a request must have from 1 to {settings.max_events} updates"]
        refuses = _refusal(request.fault, self._request_count)
        judged = ["refused by a fault" if refuses(each) else each for each in updates]
        taken = [each for each in judged if isinstance(each, Update)]
        return taken, [each for each in judged if isinstance(each, str)]

    def _act(self, updates: list[Update], query: Mapping[str, str], settings: Settings, now_s: float) -> None:
        for update in updates:
            project = settings.project_of_token(update.token)
            if project and project.region == settings.region:
                is_located = query.get("ip") != "0" and not update.has_address
                self.profiles[project.project_id].apply(update, is_located=is_located, now_s=now_s)

    def _catch_up(self, is_due: Callable[[_Late], bool]) -> None:
        due = [late for late in self._late if is_due(late)]
        self._late = [late for late in self._late if late not in due]
        for late in sorted(due, key=lambda late: late.due_s):
            late.act()


def _refusal(fault: Fault | None, request_number: int) -> Callable[[Update | str], bool]:
    """Return what says of an update whether the fault makes it invalid, the same for the same requests."""
    if not (fault and fault.invalid):
        return lambda _: False
    random = Random(fault.seed + request_number)  # noqa: S311  a repeatable script, not a secret
    text, share = fault.body_contains.encode(), fault.invalid
    return lambda each: isinstance(each, Update) and text in each.raw and random.random() < share


def _reply(request: ApiRequest, good: int, problems: list[str], settings: Settings) -> Reply:
    status = 1 if good else 0
    if not request.strict and request.query.get("verbose") != "1":
        return Reply(200, {"Content-Type": "text/plain"}, str(status).encode())
    told = "none" if not request.strict else settings.engage_strict
    has_error = problems and (not good or told in {"error", "zero"})
    answer = {
        "status": 0 if problems and told == "zero" else status,
        "error": problems[0] if has_error else None,
    }
    return json_reply(200, answer | ({"num_good_events": good} if told == "count" else {}))
