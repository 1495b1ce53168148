"""`mcp`: let an assistant ask the running service why it decided as it did."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.cli.errors import CommandError

if TYPE_CHECKING:
    from cds_service.mcp.tokens import TokenFor

_PORTS = range(1, 2**16)


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("mcp", help="explain decisions to an assistant (MCP, read-only)")
    parser.add_argument("--url", required=True, help="the address of the running service")
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument("--token-file", metavar="FILE", help="the token, read for each call")
    tokens.add_argument(
        "--key", metavar="FOLDER", help="sign a token for each call (folder of `token new`)"
    )
    tokens.add_argument(
        "--http",
        type=_port,
        metavar="PORT",
        help="serve HTTP on this machine and pass on each caller's token (default: stdio)",
    )
    parser.set_defaults(run=_run)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) in _PORTS:
        return int(text)
    raise argparse.ArgumentTypeError("PORT must be a whole number from 1 to 65535")


def _run(chosen: argparse.Namespace) -> int:
    try:
        from cds_service.mcp import server
    except ImportError:
        raise CommandError(
            "The packages for MCP are not installed. Install them with `make install-mcp`."
        ) from None
    from cds_service.mcp.service import Service

    try:
        service = Service(chosen.url)
    except ValueError:
        text = "--url must be an https address, or an http address of this machine."
        raise CommandError(text) from None
    try:
        if chosen.http is None:
            server.serve_stdio(server.build(service, _token_for(chosen)))
        else:
            server.serve_http(server.build(service, None), chosen.http)
    except KeyboardInterrupt:
        return 0
    except SystemExit:
        raise CommandError(f"Port {chosen.http} cannot be used. Choose another one.") from None
    return 0


def _token_for(chosen: argparse.Namespace) -> TokenFor:
    from cds_service.cli.token import call_token
    from cds_service.mcp.tokens import TokenError, from_file, no_token

    if chosen.token_file is not None:
        return from_file(Path(chosen.token_file))
    if chosen.key is None:
        return no_token
    folder = Path(chosen.key)
    call_token(folder, chosen.url)  # a folder without a key is found at the start

    def signed(url: str) -> str:
        try:
            return call_token(folder, url)
        except CommandError as error:
            raise TokenError(str(error)) from None

    return signed
