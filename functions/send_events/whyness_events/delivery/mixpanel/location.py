"""Pure: which address Mixpanel may use to locate a person."""

import ipaddress
from socket import AF_INET, inet_pton

# First bytes of IPv4 networks that are entirely public; `ipaddress` judges the others.
_PUBLIC_FIRST_BYTES = frozenset(range(1, 224)) - {10, 100, 127, 169, 172, 192, 198, 203}


def location_address(ip: str) -> str | int:
    """Return the address for Mixpanel to geolocate; 0, which means "no location", if `ip` is not public.

    An event without `ip` would get the location of the data centre that sends the request.
    Source: docs.mixpanel.com/docs/tracking-best-practices/geolocation, 2026-11-23.
    """
    try:
        if inet_pton(AF_INET, ip)[0] in _PUBLIC_FIRST_BYTES:
            return ip
    except (OSError, ValueError):  # no IPv4 address, or a text that C cannot hold
        pass
    return _checked_address(ip) if ip else 0


def _checked_address(ip: str) -> str | int:
    """Judge an address by the standard library, which takes as long as all other steps of an event."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return 0
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address).partition("%")[0] if address.is_global else 0  # without an IPv6 zone
