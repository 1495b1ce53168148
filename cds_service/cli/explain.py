"""`explain`: the whole decision for a call in a file."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from cds_service.cli.errors import CommandError
from cds_service.cli.printing import print_as_is, print_explanation
from cds_service.hooks.answering import Answering, utc_now
from cds_service.hooks.configured import configured
from cds_service.hooks.envelope import HookCall, read_call
from cds_service.hooks.errors import BadCallError, Issue
from cds_service.hooks.services import Service, services_in_force
from cds_service.sandbox.from_bundle import BundleError, request_from_bundle
from cds_service.settings import read_settings
from cds_service.site.force import InForce

_GZIP = b"\x1f\x8b"
_DEFAULT_URL = "http://127.0.0.1:8000"


class _Head(msgspec.Struct):
    """The members that distinguish a hook request from a Bundle."""

    hook: Any = None
    resourceType: Any = None  # noqa: N815


def run(file: str, as_of: date | None, service_id: str | None, *, as_json: bool) -> None:
    """Print the decision, as tables or as JSON."""
    content = _read(file)
    explained = _explanation(file, content, as_of, service_id)
    if as_json:
        encoded = msgspec.json.Encoder(decimal_format="number").encode(explained)
        print_as_is(msgspec.json.format(encoded).decode())
    else:
        print_explanation(explained)


def _explanation(
    file: str, content: bytes, as_of: date | None, service_id: str | None
) -> dict[str, Any]:
    """What the service with these settings would answer, its site file included."""
    clock = utc_now if as_of is None else lambda: datetime.combine(as_of, time(12), UTC)
    settings = read_settings()
    # The dates in a site file are compared with today: an earlier day does not make it invalid.
    force = configured(settings)
    try:
        call = _call(content, service_id, force)
        base_url = settings.public_url or _DEFAULT_URL
        answering = Answering(force, clock)
        return answering.explain(answering.answer(call, base_url, complete=True))
    except BundleError as error:
        raise CommandError(f"{file} {error}.") from None
    except BadCallError as error:
        said = "; ".join(_issue_text(issue) for issue in error.issues)
        raise CommandError(f"{file} cannot be answered: {said}") from None


def _issue_text(issue: Issue) -> str:
    return f"{issue.where} {issue.text}".strip()


def _call(content: bytes, service_id: str | None, force: InForce) -> HookCall:
    services = services_in_force(force)
    if service_id is not None and service_id not in services:
        raise CommandError(f"There is no service {service_id}. There are: {', '.join(services)}.")
    head = _head(content)
    if head.resourceType == "Bundle":
        service = services[service_id] if service_id else next(iter(services.values()))
        content = request_from_bundle(content, service, force.knowledge.terminology)
    elif head.hook is not None:
        service = services[service_id] if service_id else _by_hook(services, head.hook)
    else:
        raise BundleError("is neither a hook request nor a Bundle")
    return read_call(content, service.hook)


def _head(content: bytes) -> _Head:
    try:
        return msgspec.json.decode(content, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BundleError("is not a JSON object") from None


def _by_hook(services: Mapping[str, Service], hook: Any) -> Service:
    for service in services.values():
        if service.hook == hook:
            return service
    hooks = ", ".join(service.hook for service in services.values())
    raise CommandError(f"The request is for a hook that no service has. There are: {hooks}.")


def _read(file: str) -> bytes:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except FileNotFoundError:
        raise CommandError(f"There is no file {file}.") from None
    except IsADirectoryError:
        raise CommandError(f"{file} is a directory.") from None
    except (OSError, EOFError):
        raise CommandError(f"{file} cannot be read.") from None
