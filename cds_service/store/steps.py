"""The versions of the tables: the names of the scripts in `migrations/versions`."""

from __future__ import annotations

STEPS: tuple[str, ...] = ("0001", "0002", "0003")
"""Oldest first. Listed here, so that a usual start need not import Alembic."""
HEAD = STEPS[-1]
