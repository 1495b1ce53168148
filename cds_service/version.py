"""The version of the product. All other places repeat it, and `make release-check` compares them.

The version of CDS Hooks in discovery and the version of the knowledge are separate.
"""

from __future__ import annotations

NAME = "magnesium-migraine-cds"
VERSION = "1.0.0"
