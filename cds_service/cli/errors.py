"""What a user of the command line can mend."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot be carried out. One line that says why."""
