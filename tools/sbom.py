"""Write the runtime dependencies as CycloneDX to docs/sbom.cdx.json: `make sbom`.

cyclonedx-py makes the list from the pins. The file hashes stay in `requirements.txt`. The address
of the package index is left out, because each site chooses its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cds_service.version import NAME, VERSION

FILE = Path("docs", "sbom.cdx.json")
_COMMAND = ("requirements", "--output-reproducible", "--spec-version", "1.6", "requirements.txt")
_KEPT = ("bom-ref", "name", "version", "purl", "type")


def slim(document: dict[str, Any]) -> dict[str, Any]:
    """Only the fields that identify the components, without descriptions and addresses."""
    components = [
        {name: component[name] for name in _KEPT if name in component}
        | {"bom-ref": component["purl"]}
        for component in document["components"]
        if "purl" in component
    ]
    kept = {name: document[name] for name in ("$schema", "bomFormat", "specVersion", "version")}
    product = {"bom-ref": NAME, "name": NAME, "version": VERSION, "type": "application"}
    kept["metadata"] = {"component": product}
    return kept | {"components": sorted(components, key=lambda component: component["name"])}


def main() -> int:
    """The path of cyclonedx-py is the only argument."""
    (program,) = sys.argv[1:]
    done = subprocess.run([program, *_COMMAND], capture_output=True, check=True)  # noqa: S603
    FILE.write_text(json.dumps(slim(json.loads(done.stdout)), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
