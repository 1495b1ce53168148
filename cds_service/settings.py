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

PREFIX = "CDS_"
ENV_FILE = Path(".env")


class SettingsError(Exception):
    """A variable has a value that cannot be used. One line, without that value: it may be secret."""


def _meaning(text: str, must_be: str, clean: Callable[[str], str] = str.strip) -> dict[str, Any]:
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
        bool,
        Meta(
            **_meaning("Whether the synthetic patients are served under /sandbox.", "true or false")
        ),
    ] = True
    data_dir: Annotated[
        str,
        Meta(
            min_length=1,
            **_meaning(
                "Where the service keeps its file of issued cards and feedback. Made if missing.",
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
                "After how many days issued cards and feedback are deleted.",
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


class Variable(msgspec.Struct, frozen=True):
    """One environment variable: what it is for, and what its value must be."""

    name: str
    field: str
    type: Any
    default: Any
    purpose: str
    must_be: str
    clean: Callable[[str], str]


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
    if default == "":
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
