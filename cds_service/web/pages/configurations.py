"""The configurations that the sandbox page can try: the one in force, and the built-in defaults."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from cards.registered import load_knowledge
from cds_service.hooks.services import services_in_force, templates_by_hook
from cds_service.site.force import of_defaults
from cds_service.web.parts import Parts, current_parts, current_request

DEFAULTS: Final = "defaults"
"""The value of the query parameter `values` for the built-in defaults."""


def chosen_parts() -> Parts:
    """The parts of the application with the values that the current request names."""
    parts = current_parts()
    wanted = current_request().args.get("values")
    has_site = parts.answering.force.site is not None
    return parts.once(_with_defaults) if has_site and wanted == DEFAULTS else parts


def _with_defaults(parts: Parts) -> Parts:
    force = of_defaults(load_knowledge())
    services = services_in_force(force)
    answering = msgspec.structs.replace(
        parts.answering, force=force, templates=templates_by_hook(services)
    )
    return msgspec.structs.replace(parts, services=services, answering=answering, _made={})


def site_in_short(parts: Parts) -> dict[str, Any] | None:
    """Title and label of the site file in force, or `None` without one."""
    site = parts.answering.force.site
    return None if site is None else {"title": site.file.site.title, "label": site.label}
