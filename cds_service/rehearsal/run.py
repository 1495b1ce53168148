"""A whole rehearsal: from the command line to the files in DIR."""

from __future__ import annotations

from importlib.util import find_spec

from cds_service.rehearsal.errors import UsageError
from cds_service.rehearsal.options import Options, check

_NEEDS = ("pyarrow", "matplotlib")


def rehearse(options: Options) -> None:
    """Write all files of a rehearsal; raises `RehearsalError` with one line that says why not."""
    check(options)
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise UsageError(f"{missing[0]} is not installed. make install-rehearsal installs it.")
    from cds_service.rehearsal.local import LocalRun, stopped
    from cds_service.rehearsal.summary import write_summary

    try:
        run = LocalRun(options)
        summary = run.run()
        write_summary(options.out, summary)
    except KeyboardInterrupt:
        raise stopped() from None
    run.close()
