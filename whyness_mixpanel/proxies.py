"""Pure: the address of the person behind a request, where only some of its proxies are trusted."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from whyness_mixpanel.setting_parsers import members

# A web server on the same machine that connects through a Unix socket; REMOTE_ADDR is empty then.
UNIX = "unix"

Trusted = IPv4Network | IPv6Network | str

_network = lru_cache(partial(ip_network, strict=False))  # the setting is read for each event
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([0-9.]+):\d+").fullmatch


def client_address(remote: str, forwarded_for: str, trusted: Sequence[Trusted]) -> str:
    """Return the address of the person, `""` where it is unknown.

    Each proxy appends the address that it was called from, so the nearest is at the right end. Read from
    there, the first address that is not a trusted proxy's is the person's; everything further left is
    ignored. Empty elements are skipped (RFC 9110, 5.6.1); one that is not an address ends the search.

    Args:
        remote: REMOTE_ADDR.
        forwarded_for: X-Forwarded-For, its lines joined by commas.
        trusted: the proxies.
    """
    address = _address(remote)
    if _is_trusted(address, trusted) if remote.strip() else UNIX in trusted:
        hops = [hop for hop in forwarded_for.split(",") if hop.strip()] or [remote]
        for hop in reversed(hops):
            address = _address(hop)
            if not _is_trusted(address, trusted):
                break
    return str(address) if address else ""


def parse_trusted(value: object) -> tuple[Trusted, ...]:
    """Return addresses and networks for the setting."""
    entries = [entry.strip() if isinstance(entry, str) else entry for entry in members(value)]
    if isinstance(value, str):  # a comma at its end adds nothing
        entries = [entry for entry in entries if entry]
    return tuple(entry if entry == UNIX else _network(entry) for entry in entries)


def _is_trusted(address: IPv4Address | IPv6Address | None, trusted: Sequence[Trusted]) -> bool:
    return address is not None and any(
        address in network for network in trusted if not isinstance(network, str)
    )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in `text`, with or without a port; an IPv4-mapped IPv6 address as IPv4."""
    text = text.strip().strip('"')
    with_port = _WITH_PORT(text)
    try:
        address = ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
