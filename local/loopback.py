"""Ports of this machine's loopback interface, where everything local listens and nothing else does."""

import os
import socket

LOOPBACK = "127.0.0.1"
# By these, HTTP libraries talk to the loopback interface directly where a proxy is set.
NO_PROXY = {"no_proxy": LOOPBACK, "NO_PROXY": LOOPBACK}


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0


def bypass_proxies() -> None:
    """Keep the traffic of this process with loopback addresses away from any proxy in the environment."""
    os.environ.update(NO_PROXY)
