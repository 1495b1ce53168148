"""Write JSON for people: a value that fits on a line stays on one, everything else is indented."""

from __future__ import annotations

import json
from typing import Any

WIDTH = 118


def laid_out(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON text. `indent` is the indentation of the line, `before` what stands on it already."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + before + len(flat) < WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        begun = [(f"{json.dumps(name, ensure_ascii=False)}: ", v) for name, v in value.items()]
        left, right = "{", "}"
    else:
        begun, left, right = [("", v) for v in value], "[", "]"
    lines = ",\n".join(" " * inner + name + laid_out(v, inner, len(name)) for name, v in begun)
    return f"{left}\n{lines}\n{' ' * indent}{right}"
