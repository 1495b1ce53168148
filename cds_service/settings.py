"""Settings from the environment: variables that begin with CDS_, typed and checked once at start.

A `.env` file in the working directory is read where there is one; the environment outranks it.
The table in `docs/configuration.md` is made from this class.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from cds_service.fetching.servers import Server, entries

PREFIX = "CDS_"
ENV_FILE = Path(".env")


class SettingsError(Exception):
    """A variable has a value that cannot be used. One line, without that value: it may be secret."""


def _meaning(text: str, must_be: str, clean: Callable[[str], Any] = str.strip) -> dict[str, Any]:
    """What a variable is for, what its value must be, and how the text is cleaned beforehand."""
    return {"description": text, "extra": {"must_be": must_be, "clean": clean}}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that can be configured."""

    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1_000,
            **_meaning(
                "The largest request body that is read; a larger one is answered with 413.",
                "a whole number of bytes, at least 1000",
            ),
        ),
    ] = 10_000_000
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$",
            **_meaning(
                "The address under which clients reach the service, for the links on cards. "
                "Without it, links carry the host that the client called.",
                "an absolute http or https URL without query",
                lambda text: text.strip().rstrip("/"),
            ),
        ),
    ] = ""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Meta(
            **_meaning(
                "The least severe log lines that are written. INFO writes one line for a request.",
                "DEBUG, INFO, WARNING or ERROR",
                lambda text: text.strip().upper(),
            )
        ),
    ] = "INFO"
    sandbox: Annotated[
        bool | None,
        Meta(
            **_meaning(
                "Whether the synthetic patients are served under /sandbox. Without it: yes, unless "
                "trusted clients are configured.",
                "true or false",
            )
        ),
    ] = None
    clients_file: Annotated[
        str,
        Meta(
            **_meaning(
                "The file of trusted clients (see security.md). With it, every call needs a token "
                "of one of them. Without it, only callers on the same machine are served.",
                "a path",
            )
        ),
    ] = ""
    open: Annotated[
        bool,
        Meta(
            **_meaning(
                "Whether anybody who reaches the service may call it, where no trusted clients are "
                "configured. For trials with synthetic data.",
                "true or false",
            )
        ),
    ] = False
    origins: Annotated[
        str,
        Meta(
            pattern=r"^((loopback|https?://[^\s/?#@*]+)( (loopback|https?://[^\s/?#@*]+))*)?$",
            **_meaning(
                "The origins from which pages in browsers may call, where no trusted clients are "
                "configured; with them, each has its own. `loopback` is every page on this machine.",
                "a list of origins like https://ehr.example.org, with blanks between",
                lambda text: " ".join(text.replace(",", " ").split()),
            ),
        ),
    ] = "loopback https://sandbox.cds-hooks.org"
    log_salt: Annotated[
        str,
        Meta(
            **_meaning(
                "Secret with which hookInstance is hashed for the log. Without it, one is drawn at "
                "each start, and the hashes of two starts cannot be compared.",
                "a text",
            )
        ),
    ] = ""
    threads: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            **_meaning(
                "How many calls a worker process works on at the same time.",
                "a whole number from 1 to 256",
            ),
        ),
    ] = 8
    max_waiting: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            **_meaning(
                "How many calls, read whole, may wait for a thread in a worker process. Further "
                "ones are answered with 503 and Retry-After.",
                "a whole number from 0 to 10000",
            ),
        ),
    ] = 64
    max_uploads: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            **_meaning(
                "How many bodies a worker process reads at the same time. Further calls are "
                "answered with 503 and Retry-After.",
                "a whole number from 1 to 10000",
            ),
        ),
    ] = 1_000
    upload_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=600,
            **_meaning(
                "How long a body may take to arrive; a slower one is answered with 408.",
                "a number of seconds up to 600",
            ),
        ),
    ] = 30.0
    request_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=600,
            **_meaning(
                "How long an answer may take once the body is there; then 503 is answered.",
                "a number of seconds up to 600",
            ),
        ),
    ] = 30.0
    stall_seconds: Annotated[
        float,
        Meta(
            ge=2,
            le=600,
            **_meaning(
                "How long the event loop of a worker process may stand still before the process is "
                "replaced. Only `make serve` and `make run` read it.",
                "a number of seconds from 2 to 600",
            ),
        ),
    ] = 8.0
    operator_address: Annotated[
        str,
        Meta(
            pattern=r"^(([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5})?$",
            **_meaning(
                "Where /health, /ready, /metrics and /feedback/report are served besides, for "
                "operators on other machines. Only `make serve` and `make run` read it.",
                "an address like 10.0.0.5:9100",
            ),
        ),
    ] = ""
    data_dir: Annotated[
        str,
        Meta(
            min_length=1,
            **_meaning(
                "Where the service keeps its files: issued cards, feedback and records of calls; and "
                "which tokens were used. Made if missing.",
                "a directory that can be written to",
            ),
        ),
    ] = "var"
    database_url: Annotated[
        str,
        Meta(
            pattern=r"^((postgresql|postgres|postgresql\+psycopg)://\S+|sqlite:///\S+)?$",
            **_meaning(
                "The database for issued cards and feedback, in place of that file: PostgreSQL "
                "where several machines serve.",
                "a URL like postgresql://user:password@host/name",
            ),
        ),
    ] = ""
    retention_days: Annotated[
        int,
        Meta(
            ge=1,
            le=36_500,
            **_meaning(
                "After how many days issued cards, feedback and records of calls are deleted.",
                "a whole number of days, at least 1",
            ),
        ),
    ] = 365
    feedback_comments: Annotated[
        bool,
        Meta(
            **_meaning(
                "Whether comments in feedback are kept. They are free text and may hold patient "
                "data.",
                "true or false",
            )
        ),
    ] = False
    fhir_servers: Annotated[
        tuple[Server, ...],
        Meta(
            **_meaning(
                "The FHIR servers that may be asked for what a call did not bring. Without any, "
                "nothing is ever fetched. See `docs/integrating.md`.",
                "base addresses with commas between, https unless loopback, each with the marks "
                "that apply: `open` (asked without a token too), `private` (may be at a private "
                "network address), `client=...` (only for calls of that client), "
                "`form=KEY:NAME` (the search form that it takes)",
                entries,
            ),
        ),
    ] = ()
    fhir_total_ms: Annotated[
        int,
        Meta(
            ge=50,
            le=10_000,
            **_meaning(
                "How long a call may wait for all that is fetched.",
                "a whole number of milliseconds, 50 to 10000",
            ),
        ),
    ] = 2_000
    fhir_request_ms: Annotated[
        int,
        Meta(
            ge=50,
            le=10_000,
            **_meaning(
                "How long one request to a FHIR server may take.",
                "a whole number of milliseconds, 50 to 10000",
            ),
        ),
    ] = 1_500
    fhir_max_pages: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000,
            **_meaning("How many pages of one search are read.", "a whole number, 1 to 1000"),
        ),
    ] = 50
    fhir_max_bytes: Annotated[
        int,
        Meta(
            ge=1_000,
            **_meaning(
                "How much is read from FHIR servers for one call.",
                "a whole number of bytes, at least 1000",
            ),
        ),
    ] = 10_000_000

    @property
    def shows_sandbox(self) -> bool:
        """Whether the synthetic patients are served."""
        return not self.clients_file if self.sandbox is None else self.sandbox


class Variable(msgspec.Struct, frozen=True):
    """One environment variable: what it is for, and what its value must be."""

    name: str
    field: str
    type: Any
    default: Any
    purpose: str
    must_be: str
    clean: Callable[[str], Any]


def _variables() -> Iterator[Variable]:
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        meta = next(m for m in get_args(hints[field.name]) if isinstance(m, Meta))
        extra = meta.extra or {}
        yield Variable(
            name=PREFIX + field.name.upper(),
            field=field.name,
            type=hints[field.name],
            default=field.default,
            purpose=meta.description or "",
            must_be=extra["must_be"],
            clean=extra["clean"],
        )


VARIABLES = tuple(_variables())


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> Settings:
    """The settings; raises `SettingsError` for the first variable that cannot be used."""
    given = {**_from_file(env_file), **(os.environ if environ is None else environ)}
    values = {v.field: _value(v, given[v.name]) for v in VARIABLES if given.get(v.name, "").strip()}
    return Settings(**values)


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables with our prefix that no setting reads: most likely misspelt."""
    known = {v.name for v in VARIABLES}
    names = os.environ if environ is None else environ
    return sorted(n for n in names if n.startswith(PREFIX) and n not in known)


def _value(variable: Variable, text: str) -> Any:
    try:
        return msgspec.convert(variable.clean(text), variable.type, strict=False)
    except msgspec.ValidationError:
        raise SettingsError(f"{variable.name} must be {variable.must_be}.") from None


def _from_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    from dotenv.parser import parse_stream  # only here: most deployments have no such file

    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            for line in parse_stream(stream):
                if line.error:
                    raise SettingsError(
                        f"{path.name}, line {line.original.line}, is not NAME=value."
                    )
                if line.key is not None and line.value is not None:
                    found[line.key] = line.value
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{path.name} is there but cannot be read.") from None
    return found


def markdown() -> str:
    """`docs/configuration.md`, whole."""
    rows = "\n".join(
        f"| `{v.name}` | {_shown(v.default)} | {v.must_be} | {v.purpose} |" for v in VARIABLES
    )
    return _PAGE.format(rows=rows)


def _shown(default: Any) -> str:
    if default in ("", (), None):
        return "(none)"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


_PAGE = """\
# Configuration

Everything is set by environment variables. A `.env` file in the working directory is read where
there is one (`NAME=value` lines); the environment outranks it. An empty variable counts as not set.
Values are checked at start: one that cannot be used stops the start with one line that names the
variable, and exit code 2. A variable that begins with `CDS_` and is not in this table is ignored,
with a warning in the log.

| variable | default | must be | what it does |
|---|---|---|---|
{rows}

`python app.py` and `make run` also read `PORT` (default 8000); both listen on the loopback address.

This page is made by `python -m cds_service config --markdown > docs/configuration.md`.
"""
