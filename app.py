"""The WSGI application, for `granian --interface wsgi app:app` and `gunicorn app:app`.

`app:front` is the same application behind a reader of bodies, for `granian --interface rsgi
app:front`. `make serve` uses it, so that slow uploads do not block threads.

`python app.py` serves it on the loopback address (PORT, default 8000), like `make run`.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

# gunicorn does not restart a worker that ends with 3. It restarts any other, again and again.
FAILED_TO_BOOT = 3


def built() -> Flask:
    """The application. If it cannot start, the process ends with one line that says what to fix."""
    # Objects created at start are permanent, so the garbage collector need not scan them.
    gc.disable()
    from cds_service import create_app
    from cds_service.knowledge.loader import KnowledgeError
    from cds_service.settings import SettingsError, read_settings
    from cds_service.web.operate.lines import FORM, say_fault, say_traceback
    from cds_service.web.serving.binding import addresses_served, require_closed

    try:
        settings = read_settings()
        require_closed(settings, addresses_served())
        return create_app(settings)
    except (SettingsError, KnowledgeError) as error:
        say_fault(error)
        raise SystemExit(FAILED_TO_BOOT) from None
    except Exception as error:
        if FORM not in os.environ:
            raise  # another server writes it in its own form
        say_traceback(error)
        raise SystemExit(FAILED_TO_BOOT) from None
    finally:
        gc.freeze()
        gc.enable()


if __name__ == "__main__":
    from tools.serve import main

    if "PORT" in os.environ:
        sys.argv[1:1] = ["--port", os.environ["PORT"]]
    sys.argv[1:1] = ["--terminal"]
    sys.exit(main())

# The server's workers import this file as `app`. A process that only starts workers does not need
# an application, and neither does the copy of the main module that a spawned worker creates first.
if __name__ != "__mp_main__":
    app = built()


def __getattr__(name: str) -> object:
    """Create `front` on demand, because other servers need no event loop."""
    if name == "front":
        from cds_service import create_front

        return create_front(app)
    raise AttributeError(name)
