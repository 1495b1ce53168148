"""Why a rehearsal ended early. Each message is one line for the person who started it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def files_in_one_line(again: str) -> Iterator[None]:
    """Replace an error of the file system by one of this module.

    `again` is how the command is run after a full disk was cleared.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"The disk is full. Free some space and run the same command {again}."
            raise StoppedError(text) from None
        why = error.strerror or type(error).__name__
        raise RehearsalError(f"{error.filename}: {why}" if error.filename else why) from None
