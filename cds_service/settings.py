"""Settings from environment variables that begin with CDS_. They are checked once, at start.

A `.env` file in the working directory is read if it exists. The environment takes precedence.
The table in `docs/configuration.md` is generated from this class.
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
    """A variable has an invalid value. The message is one line without the value, which may be secret."""


def _meaning(
    text: str, must_be: str, clean: Callable[[str], Any] = str.strip, *, is_secret: bool = False
) -> dict[str, Any]:
    """The purpose of a variable, its valid values, and how its text is cleaned before the check.

    The value of a secret variable can also be in a file that `NAME_FILE` names.
    """
    extra = {"must_be": must_be, "clean": clean, "is_secret": is_secret}
    return {"description": text, "extra": extra}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of the service."""

    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1_000,
            **_meaning(
                "The largest request body that is accepted. A larger one gets 413.",
                "a whole number of bytes, at least 1000",
            ),
        ),
    ] = 10_000_000
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$",
            **_meaning(
                "The address at which clients reach the service, for the links on cards. "
                "Without it, links use the host that the client called.",
                "an absolute http or https URL without query",
                lambda text: text.strip().rstrip("/"),
            ),
        ),
    ] = ""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Meta(
            **_meaning(
                "The lowest level of log lines that are written. INFO writes one line for each request.",
                "DEBUG, INFO, WARNING or ERROR",
                lambda text: text.strip().upper(),
            )
        ),
    ] = "INFO"
    sandbox: Annotated[
        bool | None,
        Meta(
            **_meaning(
                "Whether the synthetic patients are served under /sandbox. The default is true "
                "unless trusted clients are configured.",
                "true or false",
            )
        ),
    ] = None
    clients_file: Annotated[
        str,
        Meta(
            **_meaning(
                "The file of trusted clients (see security.md). With it, every call needs a token "
                "of a listed client. Without it, only callers on the same machine are served.",
                "a path",
            )
        ),
    ] = ""
    open: Annotated[
        bool,
        Meta(
            **_meaning(
                "Whether every caller is accepted if no trusted clients are configured. For trials "
                "with synthetic data.",
                "true or false",
            )
        ),
    ] = False
    origins: Annotated[
        str,
        Meta(
            pattern=r"^((loopback|https?://[^\s/?#@*]+)( (loopback|https?://[^\s/?#@*]+))*)?$",
            **_meaning(
                "The origins from which browsers may call if no trusted clients are configured. "
                "Trusted clients have their own lists. `loopback` means every page on this machine.",
                "a list of origins like https://ehr.example.org, separated by spaces",
                lambda text: " ".join(text.replace(",", " ").split()),
            ),
        ),
    ] = "loopback https://sandbox.cds-hooks.org"
    site_file: Annotated[
        str,
        Meta(
            **_meaning(
                "The site file: a hospital's own settings (see site-file.md). Without it, the "
                "built-in defaults apply.",
                "a path",
            )
        ),
    ] = ""
    require_approved: Annotated[
        bool,
        Meta(
            **_meaning(
                "Whether the start is refused unless the knowledge and the site file are approved by "
                "their present hashes (see site-file.md).",
                "true or false",
            )
        ),
    ] = False
    lockout_key: Annotated[
        str,
        Meta(
            pattern=r"^(\S{32,})?$",
            **_meaning(
                "Secret with which patients are known again for lock-outs. Without it, nothing is "
                "remembered and every suggestion is shown each time.",
                "a text of at least 32 characters without spaces",
                is_secret=True,
            ),
        ),
    ] = ""
    lockout_key_old: Annotated[
        str,
        Meta(
            pattern=r"^(\S{32,})?$",
            **_meaning(
                "The lock-out key that is being replaced. What was remembered with it is still "
                "found, until it is removed.",
                "a text of at least 32 characters without spaces",
                is_secret=True,
            ),
        ),
    ] = ""
    log_salt: Annotated[
        str,
        Meta(
            **_meaning(
                "The secret for hashing hookInstance in the log. By default a random secret is used, "
                "so hashes cannot be compared between starts.",
                "a text",
                is_secret=True,
            )
        ),
    ] = ""
    threads: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            **_meaning(
                "How many calls a worker process handles at the same time.",
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
                "How many calls may wait for a thread in a worker process after their body has "
                "arrived. Further calls get 503 and Retry-After.",
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
                "How many bodies a worker process reads at the same time. Further calls get 503 "
                "and Retry-After.",
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
                "How long a body may take to arrive. A slower one gets 408.",
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
                "How long a response may take after the body has arrived. Then the call gets 503.",
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
                "How long the event loop of a worker process may block before the process is "
                "replaced. Used only by `make serve` and `make run`.",
                "a number of seconds from 2 to 600",
            ),
        ),
    ] = 8.0
    operator_address: Annotated[
        str,
        Meta(
            pattern=r"^(([\w.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5})?$",
            **_meaning(
                "A second address for /health, /ready, /metrics and /feedback/report, for operators "
                "on other machines. Used only by `make serve` and `make run`.",
                "an address like 10.0.0.5:9100",
            ),
        ),
    ] = ""
    data_dir: Annotated[
        str,
        Meta(
            min_length=1,
            **_meaning(
                "The directory for issued cards, feedback, records of calls and used tokens. It is "
                "created if missing.",
                "a writable directory",
            ),
        ),
    ] = "var"
    database_url: Annotated[
        str,
        Meta(
            pattern=r"^((postgresql|postgres|postgresql\+psycopg)://\S+|sqlite:///\S+)?$",
            **_meaning(
                "The database for issued cards and feedback, instead of a file in CDS_DATA_DIR. "
                "PostgreSQL also stores used tokens, so that several machines can share it.",
                "a URL like postgresql://user:password@host/name",
                is_secret=True,
            ),
        ),
    ] = ""
    retention_days: Annotated[
        int,
        Meta(
            ge=1,
            le=36_500,
            **_meaning(
                "The number of days after which issued cards, feedback and records of calls are deleted.",
                "a whole number of days, at least 1",
            ),
        ),
    ] = 365
    feedback_comments: Annotated[
        bool,
        Meta(
            **_meaning(
                "Whether comments in feedback are stored. They are free text and may contain patient "
                "data.",
                "true or false",
            )
        ),
    ] = False
    fhir_servers: Annotated[
        tuple[Server, ...],
        Meta(
            **_meaning(
                "The FHIR servers from which missing data may be fetched. Without any, nothing is "
                "fetched. See `docs/integrating-fetching.md`.",
                "base addresses separated by commas, https unless loopback, each followed by its "
                "flags: `open` (works without a token), `private` (may have a private network "
                "address), `client=...` (only for calls of that client), `form=KEY:NAME` (the "
                "search form to try first)",
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
                "How long a call may wait for all fetched data together.",
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
            **_meaning(
                "How many pages of one search are read at most.", "a whole number, 1 to 1000"
            ),
        ),
    ] = 50
    fhir_max_bytes: Annotated[
        int,
        Meta(
            ge=1_000,
            **_meaning(
                "How many bytes are read from FHIR servers for one call at most.",
                "a whole number of bytes, at least 1000",
            ),
        ),
    ] = 10_000_000

    @property
    def shows_sandbox(self) -> bool:
        """Whether the synthetic patients are served."""
        return not self.clients_file if self.sandbox is None else self.sandbox


class Variable(msgspec.Struct, frozen=True):
    """One environment variable with its purpose and its valid values."""

    name: str
    field: str
    type: Any
    default: Any
    purpose: str
    must_be: str
    clean: Callable[[str], Any]
    is_secret: bool

    @property
    def file(self) -> str:
        """For a secret, the variable that names a file with the value."""
        return f"{self.name}_FILE" if self.is_secret else ""


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
            is_secret=extra["is_secret"],
        )


VARIABLES = tuple(_variables())


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> Settings:
    """The settings. Raises `SettingsError` for the first invalid variable."""
    texts = {**_from_file(env_file), **(os.environ if environ is None else environ)}
    texts |= {v.name: _text_of_secret(v, texts) for v in VARIABLES if v.is_secret}
    values = {v.field: _value(v, texts[v.name]) for v in VARIABLES if texts.get(v.name, "").strip()}
    return Settings(**values)


def _text_of_secret(variable: Variable, texts: Mapping[str, str]) -> str:
    """The value, from the variable or from the file of its `NAME_FILE`."""
    text, path = (texts.get(name, "").strip() for name in (variable.name, variable.file))
    if not path:
        return text
    if text:
        raise SettingsError(f"{variable.name} and {variable.file} are both set. Remove one.")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text"
        raise SettingsError(f"{variable.file}: the file cannot be read: {reason}.") from None
    if not text:
        raise SettingsError(f"{variable.file}: the file is empty.")
    return text


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables with our prefix that are not settings. They are probably misspelt."""
    known = {name for v in VARIABLES for name in (v.name, v.file)}
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
    from dotenv.parser import parse_stream  # imported here because few deployments have the file

    values: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            for line in parse_stream(stream):
                if line.error:
                    raise SettingsError(
                        f"{path.name}, line {line.original.line}, is not NAME=value."
                    )
                if line.key is not None and line.value is not None:
                    values[line.key] = line.value
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{path.name} exists but cannot be read.") from None
    return values


def markdown() -> str:
    """The text of `docs/configuration.md`."""
    rows = "\n".join(
        f"| `{v.name}` | {_shown(v.default)} | {v.must_be} | {v.purpose} |" for v in VARIABLES
    )
    *most, last = (f"`{v.file}`" for v in VARIABLES if v.is_secret)
    return _PAGE.format(rows=rows, files=f"{', '.join(most)} and {last}")


def _shown(default: Any) -> str:
    if default in ("", (), None):
        return "(none)"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


_PAGE = """\
# Configuration

All settings are environment variables. A `.env` file in the working directory is read if it exists
(`NAME=value` lines). The environment takes precedence. An empty variable counts as not set.
Values are checked at start. An invalid value stops the start with exit code 2 and one line that names
the variable. A variable that begins with `CDS_` and is not in this table is ignored, with a warning in
the log.

| variable | default | valid values | purpose |
|---|---|---|---|
{rows}

A secret can be in a file instead of the environment. {files} name such a file.
Setting a variable and its file together stops the start.

`python app.py` and `make run` also read `PORT` (default 8000). Both listen on the loopback address.

This page is generated by `.venv/bin/python -m cds_service config --markdown > docs/configuration.md`.
"""
