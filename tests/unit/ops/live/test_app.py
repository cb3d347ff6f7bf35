"""Who may look and press: this machine, this address, this token."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from whyness_ops.errors import NotFound, SetupFault
from whyness_ops.live.app import HEADERS, PAGE, TOKEN_HEADER, make_app

TOKEN = "right-token"
ADDRESS = "http://127.0.0.1:8400"
OWN = {TOKEN_HEADER: TOKEN, "Origin": ADDRESS}


class FakeWatch:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.looked = 0
        self.pressed: list[str] = []
        self.fault: Exception | None = None

    def look(self) -> dict[str, Any]:
        """Return numbers."""
        self.looked += 1
        return {"numbers": 1}

    def press(self, name: str) -> str:
        """Note the button."""
        if self.fault:
            raise self.fault
        self.pressed.append(name)
        return "done"


@pytest.fixture
def watch() -> FakeWatch:
    """A stack that is looked at."""
    return FakeWatch()


@pytest.fixture
def client(watch: FakeWatch) -> Iterator[TestClient]:
    """A browser at the page's address."""
    with TestClient(make_app(watch, TOKEN), base_url=ADDRESS) as client:  # type: ignore[arg-type]
        yield client


def test_with_the_token_one_looks_and_presses(client: TestClient, watch: FakeWatch) -> None:
    """The page at its own address."""
    numbers = client.get("/numbers", headers={TOKEN_HEADER: TOKEN})
    pressed = client.post("/press/outage", headers=OWN)

    assert (numbers.status_code, numbers.json()) == (200, {"numbers": 1})
    assert (pressed.status_code, pressed.json()) == (200, {"said": "done"})
    assert watch.pressed == ["outage"]


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + " x", TOKEN[:-1], TOKEN.upper(), "ü"])
def test_without_the_token_nothing_is_told_or_done(
    client: TestClient, watch: FakeWatch, token: str | None
) -> None:
    """A sentence says what to do."""
    headers: Any = [] if token is None else [(TOKEN_HEADER.encode(), token.encode())]

    for answer in (
        client.get("/numbers", headers=headers),
        client.post("/press/outage", headers=[*headers, (b"Origin", ADDRESS.encode())]),
    ):
        assert answer.status_code == 403
        assert "Open the address that the command printed" in answer.json()["error"]
    assert (watch.looked, watch.pressed) == (0, [])


@pytest.mark.parametrize("path", ["/", "/numbers", "/press/fix", "/page/live.js", "/other"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8400", "127.0.0.1.evil.example", "", "0.0.0.0:8400"]
)
def test_another_name_that_leads_here_is_refused(
    client: TestClient, watch: FakeWatch, path: str, host: str
) -> None:
    """DNS rebinding: the page of another site, whose name leads to this machine, gets nothing."""
    headers = {**OWN, "Host": host, "Origin": f"http://{host}"}

    answers = client.get(path, headers=headers), client.post(path, headers=headers)

    assert {answer.status_code for answer in answers} == {400}
    assert (watch.looked, watch.pressed) == (0, [])


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "https://127.0.0.1:8400",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
    ],
)
def test_another_site_cannot_press(client: TestClient, watch: FakeWatch, origin: str | None) -> None:
    """Even one that knows the token, and another port of this machine is another site."""
    headers = {TOKEN_HEADER: TOKEN} if origin is None else {TOKEN_HEADER: TOKEN, "Origin": origin}

    answer = client.post("/press/outage", headers=headers)

    assert answer.status_code == 403
    assert "another site" in answer.json()["error"]
    assert watch.pressed == []


def test_another_site_cannot_look(client: TestClient, watch: FakeWatch) -> None:
    """Nothing allows it to read, and a preflight allows it no header."""
    asked = client.options("/numbers", headers={"Origin": "https://evil.example"})
    looked = client.get("/numbers", headers={TOKEN_HEADER: TOKEN, "Origin": "https://evil.example"})

    assert (asked.status_code, looked.status_code, watch.looked) == (405, 403, 0)
    assert not [name for name in (*asked.headers, *looked.headers) if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/page/live.js", {}),
        ("GET", "/numbers", {}),
        ("GET", "/numbers", OWN),
        ("POST", "/press/x", OWN),
        ("GET", "/missing", {}),
        ("GET", "/", {"Host": "evil.example"}),
    ],
)
def test_every_answer_is_closed_to_others(
    client: TestClient, method: str, path: str, headers: Mapping[str, str]
) -> None:
    """Nothing inline, nothing from elsewhere, no frame, no referrer, no cache."""
    answer = client.request(method, path, headers=headers)

    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers


def test_a_button_is_pressed_by_post_only(client: TestClient, watch: FakeWatch) -> None:
    """A link or a picture cannot."""
    assert client.get("/press/outage", headers=OWN).status_code == 405
    assert watch.pressed == []


@pytest.mark.parametrize(
    ("fault", "status"), [(NotFound("no button"), 404), (SetupFault("AWS is down"), 502)]
)
def test_what_does_not_work_is_a_sentence(
    client: TestClient, watch: FakeWatch, fault: Exception, status: int
) -> None:
    """The page shows it."""
    watch.fault = fault

    answer = client.post("/press/redrive", headers=OWN)

    assert (answer.status_code, answer.json()) == (status, {"error": str(fault)})


def test_the_page_is_of_its_own_files(client: TestClient) -> None:
    """All that it names is there, with its type; it holds no token, no script and no style of its own."""
    page = client.get("/").text
    named = re.findall(r'(?:href|src)="([^"]+)"', page)

    assert sorted(path.name for path in PAGE.iterdir()) == [
        "chart.js",
        "icon.svg",
        "live.css",
        "live.html",
        "live.js",
    ]
    assert sorted(named) == ["page/chart.js", "page/icon.svg", "page/live.css", "page/live.js"]
    types = [client.get(f"/{name}").headers["Content-Type"].partition(";")[0] for name in sorted(named)]
    assert types == ["text/javascript", "image/svg+xml", "text/css", "text/javascript"]
    assert TOKEN not in page
    assert not re.search(r"<style| style=|<script>| on[a-z]+=|https?:", page)


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd"]
)
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    """Nothing above the page's folder."""
    assert client.get(path).status_code == 404
