"""An assistant: the client of the MCP library, which starts the server or connects to one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from cds_service.mcp.server import build
from cds_service.mcp.service import Service
from cds_service.mcp.tokens import no_token

from ..support.serving import ROOT

Result = TypeVar("Result")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Said(msgspec.Struct):
    """The result of one tool: its texts, and whether it is an error."""

    texts: list[str]
    is_error: bool

    @property
    def error(self) -> str:
        assert self.is_error, self.texts
        return " ".join(self.texts)

    @property
    def json(self) -> Any:
        assert not self.is_error, self.texts
        return json.loads(self.texts[-1])


Ask = Callable[..., Said]
"""Calls a tool with these arguments."""


class Assistant:
    """Calls tools of a server over standard input and output, one session for each list of calls."""

    def __init__(self, folder: Path, url: str, *options: str) -> None:
        self._errors = folder / "mcp-errors"
        self._server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "cds_service", "mcp", "--url", url, *options],
            cwd=ROOT,
        )

    @property
    def log(self) -> str:
        """All that its server wrote to standard error."""
        return self._errors.read_text() if self._errors.exists() else ""

    def ask(self, *calls: tuple[str, Mapping[str, Any]]) -> list[Said]:
        async def run() -> list[Said]:
            with self._errors.open("a") as log:
                async with Client(stdio_client(self._server, log)) as client:
                    return [said(await client.call_tool(n, dict(a))) for n, a in calls]

        return in_own_thread(run)

    def one(self, tool: str, **arguments: Any) -> Said:
        return self.ask((tool, arguments))[0]

    def tools(self) -> list[Any]:
        async def run() -> list[Any]:
            with self._errors.open("a") as log:
                async with Client(stdio_client(self._server, log)) as client:
                    return (await client.list_tools()).tools

        return in_own_thread(run)


def in_this_process(url: str, tool: str, arguments: Mapping[str, Any]) -> Said:
    """The same without a process of its own for the server."""

    async def run() -> Said:
        async with Client(build(Service(url), no_token)) as client:
            return said(await client.call_tool(tool, dict(arguments)))

    return in_own_thread(run)


def in_own_thread(run: Callable[[], Awaitable[Result]]) -> Result:
    """Run it with an event loop of its own: tests with a browser keep one in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, run).result()


def said(result: Any) -> Said:
    assert result.structured_content is None
    return Said([part.text for part in result.content], bool(result.is_error))


def call_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `explain_call` for a hook request."""
    return {name: body[name] for name in ("hook", "context", "prefetch")}


def same(explained: Any) -> str:
    """An explanation without the random ids of its cards."""
    return UUID.sub("uuid", json.dumps(explained))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "cds_service", "mcp", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
