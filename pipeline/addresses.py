"""Which network addresses are the public internet's: what strangers' names may lead us to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")
"""Stands for the IPv4 address in its last 32 bits (RFC 6052)."""
_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is routed in public (IANA's registry of the IPv6 address space)."""
_REFUSED = tuple(
    map(
        ip_network,
        (
            "168.63.129.16/32",  # Azure's agent for its machines, at a public address
            "192.0.0.0/24",  # protocols of IETF, and Oracle's metadata
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "2001::/23",  # Teredo and other protocols of IETF
            "2002::/16",  # 6to4: an IPv4 address, perhaps a private one, inside (RFC 3056)
        ),
    )
)


def public(text: str) -> bool:
    """Whether the address is a public, unicast one; raises ValueError when it is none at all.

    Not so are private, shared (CGNAT), loopback, link-local (cloud metadata), documentation, reserved and multicast
    ones, and those in which one of these is wrapped.
    """
    address = _unwrapped(ip_address(text))
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _REFUSED)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
