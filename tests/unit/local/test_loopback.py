import urllib.request

import pytest

from local.loopback import bypass_proxies


def test_proxy_of_the_environment_is_not_asked_for_loopback_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a company's proxy the parts still reach one another, and the proxy stays in use for the rest."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")

    bypass_proxies()

    assert urllib.request.proxy_bypass("127.0.0.1:4566")
    assert not urllib.request.proxy_bypass("pypi.example")
