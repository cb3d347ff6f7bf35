"""The HTTP pages of the simulator: Mixpanel's paths, and its own under /_simulator/."""

from collections.abc import Callable

import msgspec

from . import deletions, engaging, export_request, profile_query
from .fault import Fault, FaultError
from .http1 import Request
from .reply import NOT_JSON, Reply, json_reply
from .settings import CHANGEABLE, SettingsError
from .simulator import Simulator

PREFIX = "/_simulator/"


def handle(simulator: Simulator, request: Request) -> Reply:
    """Answer any request to the simulator."""
    if request.path in _APIS:
        method, api = _APIS[request.path]
        is_right = request.method == method
        return api(simulator, request) if is_right else _error(405, f"only {method} {request.path} exists")
    if request.path.startswith(deletions.PATH):
        return _deletion(simulator, request)
    if not request.path.startswith(PREFIX):
        own = ", ".join(PREFIX + name for name in _PAGES)
        return _error(404, f"no such path; use {', '.join(_APIS)}, {deletions.PATH} or {own}")
    name, _, rest = request.path.removeprefix(PREFIX).partition("/")
    page = _PAGES.get(name, {}).get(request.method)
    if page is None:
        status = 405 if name in _PAGES else 404
        methods = ", ".join(_PAGES.get(name, {})) or "none"
        return _error(
            status, f"{request.method} {request.path} does not exist; methods of this path: {methods}"
        )
    try:
        return page(simulator, request, rest)
    except (FaultError, SettingsError, deletions.DeletionError, *NOT_JSON) as error:
        return _error(400, str(error))


def _export(simulator: Simulator, request: Request) -> Reply:
    return simulator.handle_export(request.headers, request.query)


def _import(simulator: Simulator, request: Request) -> Reply:
    return simulator.handle_import(request.headers, request.query, request.body)


def _engage(simulator: Simulator, request: Request) -> Reply:
    return simulator.handle_engage(request.headers, request.query, request.body)


def _query(simulator: Simulator, request: Request) -> Reply:
    return simulator.handle_query(request.headers, request.query, request.body)


def _deletion(simulator: Simulator, request: Request) -> Reply:
    asked = deletions.DeletionRequest(
        request.method,
        request.path.removeprefix(deletions.PATH),
        {name.lower(): value for name, value in request.headers.items()},
        request.query,
        request.body,
    )
    return simulator.handle_deletion(asked)


def _health(_simulator: Simulator, _request: Request, _rest: str) -> Reply:
    return json_reply(200, {"status": "ok"})


def _events(simulator: Simulator, request: Request, _rest: str) -> Reply:
    raw = request.query.get("raw") == "1"
    try:
        lines = simulator.lines(raw=raw, project_id=request.query.get("project_id", ""))
    except KeyError as error:
        return _error(404, f"no project {error}")
    return Reply(200, {"Content-Type": "application/x-ndjson"}, stream=lines)


def _profiles(simulator: Simulator, request: Request, _rest: str) -> Reply:
    try:
        return json_reply(200, simulator.profiles(project_id=request.query.get("project_id", "")))
    except KeyError as error:
        return _error(404, f"no project {error}")


def _stats(simulator: Simulator, _request: Request, _rest: str) -> Reply:
    return json_reply(200, simulator.stats())


def _reset(simulator: Simulator, _request: Request, _rest: str) -> Reply:
    simulator.reset()
    return json_reply(200, {"status": "ok"})


def _list_faults(simulator: Simulator, _request: Request, _rest: str) -> Reply:
    return json_reply(200, simulator.faults.listed())


def _add_faults(simulator: Simulator, request: Request, _rest: str) -> Reply:
    value = msgspec.json.decode(request.body)
    faults = [Fault.from_json(fault) for fault in (value if isinstance(value, list) else [value])]
    return json_reply(201, {"ids": [simulator.faults.add(fault) for fault in faults]})


def _remove_faults(simulator: Simulator, _request: Request, rest: str) -> Reply:
    if not rest:
        simulator.faults.clear()
    elif not rest.isdecimal() or not simulator.faults.remove(int(rest)):
        return _error(404, f"no fault {rest}")
    return json_reply(200, simulator.faults.listed())


def _list_deletions(simulator: Simulator, _request: Request, _rest: str) -> Reply:
    return json_reply(200, simulator.deletions())


def _move_deletions(simulator: Simulator, request: Request, _rest: str) -> Reply:
    value = msgspec.json.decode(request.body)
    status = value.get("status") if isinstance(value, dict) else None
    return json_reply(200, simulator.move_deletions(str(status)))


def _settings(simulator: Simulator, _request: Request, _rest: str) -> Reply:
    return json_reply(200, simulator.shown_settings())


def _configure(simulator: Simulator, request: Request, _rest: str) -> Reply:
    changes = msgspec.json.decode(request.body)
    if not isinstance(changes, dict):
        raise SettingsError(f"send a JSON object; these can be changed: {', '.join(CHANGEABLE)}")
    simulator.configure(**changes)
    return json_reply(200, {"changed": sorted(changes)})


def _error(status: int, text: str) -> Reply:
    return json_reply(status, {"error": text})


_APIS: dict[str, tuple[str, Callable[[Simulator, Request], Reply]]] = {
    "/import": ("POST", _import),
    export_request.PATH: ("GET", _export),
    profile_query.PATH: ("POST", _query),
    **dict.fromkeys(engaging.PATHS, ("POST", _engage)),
}
_PAGES: dict[str, dict[str, Callable[[Simulator, Request, str], Reply]]] = {
    "health": {"GET": _health},
    "events": {"GET": _events},
    "profiles": {"GET": _profiles},
    "stats": {"GET": _stats},
    "faults": {"GET": _list_faults, "POST": _add_faults, "DELETE": _remove_faults},
    "deletions": {"GET": _list_deletions, "POST": _move_deletions},
    "settings": {"GET": _settings, "PATCH": _configure},
    "reset": {"POST": _reset},
}
