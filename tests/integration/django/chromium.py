"""Headless Chromium, driven over its DevTools protocol through a pipe: no driver, no library, no port.

https://chromedevtools.github.io/devtools-protocol/ (2026-11-24)
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_DEADLINE_S = 20.0
# Chromium reads calls from descriptor 3 and writes to 4.
_AT_3_AND_4 = 'exec "$@" 3</dev/fd/"$READS" 4>/dev/fd/"$WRITES"'
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
# Key, code, text and Windows's virtual code, as the protocol wants them.
_KEYS = {
    "Tab": ("Tab", "Tab", "", 9),
    "Enter": ("Enter", "Enter", "\r", 13),
    "Space": (" ", "Space", " ", 32),
}
_WAIT = """new Promise(done => {
  const look = () => (%s) && done(true);
  look();
  new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});
  document.addEventListener("readystatechange", look);
})"""


class BrowserMissing(RuntimeError):
    """There is no `chromium`; the text says so."""


class CallFailed(RuntimeError):
    """The browser answered with an error, or not in time."""


class Chromium:
    """A running browser; its tabs share nothing.

    Raises:
        BrowserMissing: it is not installed.
    """

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium")
        if program is None:
            raise BrowserMissing("chromium is not installed")
        self._command = [program, *_OPTIONS, f"--user-data-dir={profile}"]
        self._ids = itertools.count(1)
        self._rest = b""
        self._tabs: dict[str, Tab] = {}

    def __enter__(self) -> Self:
        reads, self._calls = os.pipe()
        self._answers, writes = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603  (the browser found above)
            ["/bin/sh", "-c", _AT_3_AND_4, "sh", *self._command],
            env={**os.environ, "READS": str(reads), "WRITES": str(writes)},
            pass_fds=(reads, writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._calls)  # Chromium ends when its pipe is closed
        os.close(self._answers)
        try:
            self._process.wait(_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tab(self) -> "Tab":
        """Return a new tab with a cookie jar of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        self._tabs[session] = tab = Tab(self, session, context)
        tab.set_up()
        return tab

    def call(self, method: str, *, session: str = "", **params: Any) -> dict[str, Any]:
        """Return the result of a call of the protocol; raises CallFailed."""
        number, deadline_s = next(self._ids), time.monotonic() + _DEADLINE_S
        call = {"id": number, "method": method, "params": params}
        if session:
            call["sessionId"] = session
        message = json.dumps(call).encode() + b"\0"
        while message:
            message = message[os.write(self._calls, message) :]
        while True:
            heard = self._hear(deadline_s, method)
            if heard.get("id") != number:
                self._note(heard)
            elif "error" in heard:
                raise CallFailed(f"{method}: {heard['error']['message']}")
            else:
                result: dict[str, Any] = heard["result"]
                return result

    def _hear(self, deadline_s: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline_s - time.monotonic()))
            more = os.read(self._answers, 1 << 20) if ready else b""
            if not more:
                raise CallFailed(f"{method}: {'the browser has ended' if ready else 'no answer in time'}")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(message)
        return heard

    def _note(self, event: dict[str, Any]) -> None:
        tab = self._tabs.get(event.get("sessionId", ""))
        if tab:
            tab.note(event["method"], event["params"])


class Tab:
    """A tab.

    Attributes:
        complaints: what the console was told, and errors of scripts.
        load_count: how many pages were loaded.
    """

    def __init__(self, browser: Chromium, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context
        self.complaints: list[str] = []
        self.load_count = 0

    def set_up(self) -> None:
        """Have events sent, and keys taken although no window is in front."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def close(self) -> None:
        """Close it, its connections too."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a call of the protocol in this tab; raises CallFailed."""
        return self._browser.call(method, session=self._session, **params)

    def note(self, method: str, params: dict[str, Any]) -> None:
        """Keep what an event tells."""
        if method == "Page.loadEventFired":
            self.load_count += 1
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
            self.complaints.append(json.dumps(params))

    def go(self, url: str) -> None:
        """Open a page, and wait until it is all there."""
        self.call("Page.navigate", url=url)
        self.wait_until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return a script's value; raises CallFailed where it throws."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise CallFailed(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Wait until a script's expression is true, on this page or one that is loaded meanwhile."""
        give_up_s = time.monotonic() + _DEADLINE_S
        while True:
            try:
                self.value(_WAIT % condition)
            except CallFailed:  # the page went away under it
                if time.monotonic() > give_up_s:
                    page = self.value("document.body.innerText")
                    raise CallFailed(f"never came: {condition}; the page is: {page}") from None
            else:
                return

    def press(self, key: str) -> None:
        """Press and release Tab, Enter or Space."""
        name, code, text, number = _KEYS[key]
        event = {"key": name, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def nodes(self) -> list[dict[str, Any]]:
        """Return what a screen reader is told: role, name, value, and other properties, by node."""
        tree = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            {
                **{name: node.get(name, {}).get("value", "") for name in ("role", "name", "value")},
                **{each["name"]: each["value"].get("value") for each in node.get("properties", [])},
            }
            for node in tree
            if not node["ignored"]
        ]

    def prefer(self, scheme: str) -> None:
        """Ask for pages in a colour scheme, light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def photograph(self, path: Path, *, width: int) -> None:
        """Save a picture of all of the page."""
        screen = {"width": width, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", height=800, **screen)
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        self.call("Emulation.setDeviceMetricsOverride", height=int(size["height"]), **screen)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        self.call("Emulation.clearDeviceMetricsOverride")
