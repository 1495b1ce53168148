"""Why a rehearsal ended early. Each message is one line for the person who started it."""

from __future__ import annotations

UNUSABLE = 1
USAGE = 2
STOPPED = 130


class RehearsalError(Exception):
    """The input cannot be used. `code` is the exit code of the command."""

    code = UNUSABLE


class UsageError(RehearsalError):
    """The command was called with options that cannot be carried out."""

    code = USAGE


class StoppedError(RehearsalError):
    """The run was stopped and can be continued with `--resume`."""

    code = STOPPED
