"""The list of what runs as CycloneDX, docs/sbom.cdx.json: `make sbom`.

Made by cyclonedx-py from the pins. The hashes of each version's files stay in `requirements.txt`, and
the address of an index has no place in it: which one is asked is the business of the site.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path("docs", "sbom.cdx.json")
_COMMAND = ("requirements", "--output-reproducible", "--spec-version", "1.6", "requirements.txt")
_KEPT = ("bom-ref", "name", "version", "purl", "type")


def slim(document: dict[str, Any]) -> dict[str, Any]:
    """Only what names the components: no descriptions, no addresses."""
    components = [
        {name: component[name] for name in _KEPT if name in component}
        | {"bom-ref": component["purl"]}
        for component in document["components"]
        if "purl" in component
    ]
    kept = {name: document[name] for name in ("$schema", "bomFormat", "specVersion", "version")}
    return kept | {"components": sorted(components, key=lambda component: component["name"])}


def main() -> int:
    """The path of cyclonedx-py is the one argument."""
    (program,) = sys.argv[1:]
    done = subprocess.run([program, *_COMMAND], capture_output=True, check=True)  # noqa: S603
    FILE.write_text(json.dumps(slim(json.loads(done.stdout)), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
