"""Pure: whose address a request came from, when only some of those who forwarded it can be believed."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

# Stands for a web server on the same machine that speaks through a Unix socket: REMOTE_ADDR is empty then.
UNIX = "unix"

Trusted = IPv4Network | IPv6Network | str

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([0-9.]+):\d+").fullmatch


def client_address(remote: str, forwarded_for: str, trusted: Sequence[Trusted]) -> str:
    """Return the address of the person, `""` where it cannot be told.

    Each proxy appends to the header whom it heard from, so its right end is the nearest. It is believed as
    far as those who wrote it are trusted: the first who is not is the person, whatever stands further left.
    An element that is empty says nothing (RFC 9110, 5.6.1); one that cannot be read ends it.

    Args:
        remote: REMOTE_ADDR.
        forwarded_for: X-Forwarded-For, all of its lines joined with commas.
        trusted: the proxies.
    """
    if not _is_trusted(remote, trusted):
        address = _address(remote)
        return str(address) if address else ""
    hops = [hop for hop in forwarded_for.split(",") if hop.strip()] or [remote]
    address = None
    for hop in reversed(hops):
        address = _address(hop)
        if address is None or not _is_trusted(str(address), trusted):
            break
    return str(address) if address else ""


def parse_trusted(value: Any) -> tuple[Trusted, ...]:
    """Return addresses and networks, for the setting; in text there are commas between them."""
    if isinstance(value, str):
        value = [part for text in value.split(",") if (part := text.strip())]
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError
    given = [entry.strip() if isinstance(entry, str) else entry for entry in value]
    return tuple(entry if entry == UNIX else ip_network(entry, strict=False) for entry in given)


def _is_trusted(text: str, trusted: Sequence[Trusted]) -> bool:
    if not text.strip():
        return UNIX in trusted
    address = _address(text)
    return address is not None and any(
        address in network for network in trusted if not isinstance(network, str)
    )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `text` is, with or without a port; an IPv4 address in IPv6 clothes is IPv4."""
    text = text.strip().strip('"')
    with_port = _WITH_PORT(text)
    try:
        address = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
