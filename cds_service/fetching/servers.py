"""The list of FHIR servers, and the URLs that are requested from them.

A hook call names any server. Only a listed server is used, and with the address in the list, not
with the one in the call.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from cds_service.fetching.forms import USUAL, is_form
from cds_service.loopback import is_loopback

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SLOT = re.compile(r"\{\{context\.(\w+)\}\}")
_DOTS = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)
_IPV4 = 4
_ISATAP = 0x5EFE  # in the third quarter of the address; one bit shows whether it is unique
_PORTS: Mapping[str, int] = {"https": 443, "http": 80}
_LISTS = (("client=", "clients"), ("form=", "forms"))

PRIVATE: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""Private addresses inside an organisation, allowed only if the list says so."""
METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
"""Cloud metadata addresses, which give out credentials to internal callers. Never allowed."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# All Internet addresses are in this range. Other forms may lead to an internal IPv4 address:
# IPv4-compatible (::/96), IPv4-translated, site-local (fec0::/10), local NAT64 (RFC 8215).
_UNICAST = ipaddress.ip_network("2000::/3")


class Token:
    """An access token. It never appears in output except in the request to its server."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def usable(self) -> bool:
        """Whether it can be sent in a header."""
        return _TOKEN.fullmatch(self._text) is not None

    def header(self) -> str:
        """The value of the header `Authorization`."""
        return f"Bearer {self._text}"

    def __repr__(self) -> str:
        return "Token(...)"

    def __reduce__(self) -> str:
        raise TypeError("a token is not stored")


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One listed server.

    `open`: requests without an access token are allowed. `private`: its host name may resolve to a
    private address. `clients`: only calls of these clients may use it; empty for all. `forms`: the
    search forms to try first, as "key:form" (see `forms.FORMS`).
    """

    url: str
    open: bool = False
    private: bool = False
    clients: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unsafe address and an unknown form."""
        if normal(self.url) is None:
            raise ValueError("not an address that can be asked safely")
        if not all(is_form(form) for form in self.forms):
            raise ValueError("not a search form of a prefetch key")

    def form_of(self, key: str) -> str:
        """The search form to try first for a prefetch key."""
        named = (form.partition(":") for form in self.forms)
        return next((name for of, _, name in named if of == key), USUAL)

    @property
    def base(self) -> str:
        """The address without a final slash."""
        return normal(self.url) or ""

    @property
    def loopback(self) -> bool:
        """Whether its address is a loopback address."""
        return is_loopback(urlsplit(self.base).hostname or "")

    def may_be_at(self, address: str) -> bool:
        """Whether a resolved address of its host name is allowed."""
        ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        if ip in METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            return False
        if ip.is_loopback or self.loopback:
            return ip.is_loopback and self.loopback
        if ip.is_global and (ip.version == _IPV4 or ip in _UNICAST):
            return not _is_isatap(ip)
        return self.private and any(ip in network for network in PRIVATE)

    def target(self, template: str, context: Mapping[str, Any]) -> str | None:
        """Path and query of a prefetch template, or `None` if the context cannot fill it."""
        path, _, query = template.partition("?")
        steps = [_filled(step, context) for step in path.split("/")]
        if any(step is None or _DOTS.fullmatch(step) for step in steps):
            return None
        parameters = [_parameter(part, context) for part in query.split("&") if part]
        if None in parameters:
            return None
        asked = "&".join(filter(None, parameters))
        return f"{self._path}/{'/'.join(filter(None, steps))}{'?' if asked else ''}{asked}"

    def next_target(self, here: str, link: str) -> str | None:
        """Path and query of a `next` link, or `None` if it leads to another server."""
        if not _PLAIN.fullmatch(link):
            return None
        try:
            parts = urlsplit(urljoin(self._origin + here, link))
        except ValueError:
            return None
        if parts.username is not None or parts.password is not None:
            return None
        path = parts.path
        inside = path == self._path or path.startswith(f"{self._path}/")
        stays = all(not _DOTS.fullmatch(step) for step in path.split("/"))
        if _origin_of(parts.geturl()) != self._origin or not inside or not stays:
            return None
        return f"{path}?{parts.query}" if parts.query else path

    def medication_id(self, reference: str) -> str | None:
        """The id in a reference to a Medication of this server, relative, absolute or versioned."""
        local = reference.strip().removeprefix(f"{self.base}/")
        steps = local.split("/")
        named = len(steps) == 2 or (len(steps) == 4 and steps[2] == "_history")
        if not named or steps[0] != "Medication" or not _ID.fullmatch(steps[1]):
            return None
        return None if _DOTS.fullmatch(steps[1]) else steps[1]

    @property
    def _path(self) -> str:
        return urlsplit(self.base).path

    @property
    def _origin(self) -> str:
        return _origin_of(self.base) or ""


class Servers:
    """The list of servers of a site."""

    def __init__(self, servers: Iterable[Server]) -> None:
        self._by_base: dict[str, list[Server]] = {}
        for server in servers:
            self._by_base.setdefault(server.base, []).append(server)

    def __iter__(self) -> Iterator[Server]:
        return (server for entries in self._by_base.values() for server in entries)

    def find(self, url: str, client: str = "") -> Server | None:
        """The entry for the server in a call, if calls of the client may use it."""
        for server in self._by_base.get(normal(url) or "", ()):
            if not server.clients or client in server.clients:
                return server
        return None


def entries(text: str) -> list[dict[str, Any]]:
    """The entries of a list in a setting: addresses with their flags, separated by commas.

    `https://ehr.example/fhir, http://127.0.0.1:8080/fhir open`
    """
    return [_entry(words) for part in text.split(",") if (words := part.split())]


def _entry(words: list[str]) -> dict[str, Any]:
    url, *marks = words
    lists = {name: [m[len(mark) :] for m in marks if m.startswith(mark)] for mark, name in _LISTS}
    rest = [mark for mark in marks if not mark.startswith(tuple(mark for mark, _ in _LISTS))]
    # An unknown flag is kept and then refused with all other invalid content.
    return {"url": url, **lists, **dict.fromkeys(rest, True)}


def normal(url: str) -> str | None:
    """An address in normalised form for comparison, or `None` if it is not allowed."""
    if not _PLAIN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        origin = _origin_of(url)
    except ValueError:
        return None
    if origin is None or "@" in parts.netloc or "?" in url or "#" in url:
        return None
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return None
    path = parts.path.rstrip("/")
    if any(_DOTS.fullmatch(step) for step in path.split("/")):
        return None
    return origin + path


def _origin_of(url: str) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in _PORTS or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    port = parts.port or _PORTS[parts.scheme]
    return f"{parts.scheme}://{shown}" + ("" if port == _PORTS[parts.scheme] else f":{port}")


def _unwrapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv6 address, which is the real destination."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _is_isatap(ip: IpAddress) -> bool:
    """Whether the last part of the address is an IPv4 address of a tunnel (RFC 5214)."""
    return ip.version != _IPV4 and (int(ip) >> 32 & 0xFDFFFFFF) == _ISATAP


def _filled(text: str, context: Mapping[str, Any]) -> str | None:
    """A part of a template with filled placeholders, escaped for a URL."""
    names = _SLOT.findall(text)
    if not all(isinstance(context.get(name), str) and context[name] for name in names):
        return None
    pieces = _SLOT.split(text)
    literal, tokens = pieces[::2], [quote(context[name], safe="") for name in pieces[1::2]]
    safe = [quote(piece, safe=",:/") for piece in literal]
    return "".join(a + b for a, b in zip(safe, [*tokens, ""], strict=True))


def _parameter(text: str, context: Mapping[str, Any]) -> str | None:
    name, _, value = text.partition("=")
    filled = _filled(value, context)
    return None if filled is None else f"{name}={filled}"
