"""Errors of the command line that the user can correct."""

from __future__ import annotations


class CommandError(Exception):
    """The command failed. One line with the reason."""
