"""Whose request it is, as far as the network tells: the one place that reads the address of a client."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"
IPV6_PREFIX = 64  # what one household or one rented server has: its addresses are as good as one

Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> str:
    """The address of the person's machine, or "unknown" when the server was reached without one.

    ``X-Forwarded-For`` counts only behind settings.TRUSTED_PROXIES. Each proxy appends the address that it was asked
    from, so the list is read from the right, and only as long as the hop that wrote an entry is trusted: what a client
    sends itself stands further left and is never reached. ``Forwarded`` and ``X-Real-IP`` are not read: a proxy that
    sets one header lets the others pass as they came.
    """
    return address_behind(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_behind(peer: str, forwarded: str) -> str:
    """The same for an address that was connected from and the value of ``X-Forwarded-For``, "" for none."""
    address = _parsed(peer)
    if address is None:
        return UNKNOWN
    hops = forwarded.split(",")
    while hops and _trusted(address):
        before = _parsed(hops.pop())
        if before is None:
            break
        address = before
    return str(address)


def is_local(address: str) -> bool:
    """Of this machine."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


def address_group(address: str) -> str:
    """What limits count as one: an IPv4 address, or a network of IPv6 addresses."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_PREFIX), strict=False))
    return UNKNOWN if parsed is None else str(parsed)


def _trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES if network.version == address.version)


def _parsed(text: str) -> Address | None:
    """Also with a port ("192.0.2.1:443", "[2001:db8::1]:443") or a zone, as some proxies write it."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # how a socket that takes both kinds names an IPv4 client
    return address
