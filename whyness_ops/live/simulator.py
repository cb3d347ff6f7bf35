"""Edge: the demo's Mixpanel simulator: the troubles that the page plays on it, and their end."""

import http.client
import ipaddress
import json
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from whyness_ops.errors import SetupFault

_TIMEOUT_S = 5.0
# Of the faults that the page adds, so that it leaves those of others alone.
_MARK = "live page: "
# Fewer properties than any event has: each is refused by name, as Mixpanel does in strict mode.
_SETTING, _REFUSES_ALL, _USUAL = "max_properties", 1, 254
_REJECT = "reject"


class Trouble(NamedTuple):
    """A button that breaks Mixpanel: its label, what it does, and the simulator's fault."""

    label: str
    help: str
    fault: dict[str, Any]


TROUBLES = {
    "outage": Trouble("Outage", "Mixpanel answers every request with 503.", {"status": 503}),
    "throttle": Trouble(
        "Throttle", "Mixpanel answers 429 to two thirds.", {"status": 429, "probability": 0.67}
    ),
    "password": Trouble("Wrong password", "Mixpanel answers 401.", {"status": 401}),
    "slow": Trouble("Slow", "Mixpanel answers after 4 seconds.", {"delay_s": 4.0}),
    _REJECT: Trouble("Reject", "Mixpanel refuses every event by name.", {}),
}


class MixpanelControl:
    """The control pages of the simulator at `url`.

    Raises:
        SetupFault: from each method, if it does not answer, or not as a simulator does.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # No proxy: the simulator is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._usual: object = _USUAL

    def troubles(self) -> set[str]:
        """Return the names of the troubles that are played now."""
        names = {fault["name"] for fault in self._faults()}
        on = {name for name in TROUBLES if _MARK + name in names}
        return on | ({_REJECT} if self._setting() == _REFUSES_ALL else set())

    def begin(self, name: str) -> None:
        """Play a trouble."""
        if name == _REJECT:
            self._usual = self._setting()
            self._ask("PATCH", "settings", dict, {_SETTING: _REFUSES_ALL})
        else:
            self._ask("POST", "faults", dict, {"name": _MARK + name, **TROUBLES[name].fault})

    def end(self, name: str) -> None:
        """End a trouble."""
        if name == _REJECT:
            self._ask("PATCH", "settings", dict, {_SETTING: self._usual})
        for fault in self._faults():
            if fault["name"] == _MARK + name:
                self._ask("DELETE", f"faults/{fault['id']}", list)

    def _faults(self) -> list[Mapping[str, Any]]:
        found = self._ask("GET", "faults", list)
        return [fault for fault in found if isinstance(fault, dict) and {"id", "name"} <= fault.keys()]

    def _setting(self) -> object:
        return self._ask("GET", "settings", dict).get(_SETTING, _USUAL)

    def _ask(self, method: str, page: str, kind: type, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/_simulator/{page}", data, method=method)  # noqa: S310  (is_loopback has checked it)
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                found = json.load(answer)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._fault(method, page, str(error)) from error
        if not isinstance(found, kind):
            raise self._fault(method, page, f"the answer is not a {kind.__name__}")
        return found

    def _fault(self, method: str, page: str, why: str) -> SetupFault:
        return SetupFault(
            f"The Mixpanel simulator at {self._url} does not do {method} {page}: {why}. "
            "Check that the demo is up: make demo KEEP=1."
        )


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine, so that a button can break nothing of others."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http":
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
