"""Run the commands of a document as a reader does: in a checkout, one block after the other."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..support.serving import HOST, free_port
from ..support.waiting import wait_for
from .commands import ANSWER, Command, commands_of, shell_blocks
from .reading import ROOT, Block, fences_of

PATIENCE_SECONDS = 120
_SERVICE = f"{HOST}:8000"
# Made by a start or by other commands, never part of a checkout.
_NOT_IN_A_CHECKOUT = {"var", "wheelhouse", "__pycache__"}
# A difference is reported with the exit code 1.
_MAY_END_WITH_1 = re.compile(r".* (?:site|knowledge) (?:diff|review)\b.*")
# What differs from call to call: ids, days, the hash of the knowledge.
_VARIES = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?"), "<date>"),
    (re.compile(r"\b(\d+\.\d+\.\d+)\+[0-9a-f]{12}\b"), r"\1+<hash>"),
)


class Reader:
    """Somebody who follows a document in a checkout of their own."""

    def __init__(self, place: Path) -> None:
        if shutil.which("curl") is None or shutil.which("make") is None:
            pytest.skip("curl or make is not on this machine")
        self.checkout = place / "checkout"
        self.checkout.mkdir()
        for path in ROOT.iterdir():
            if path.name not in _NOT_IN_A_CHECKOUT and not path.name.startswith("."):
                (self.checkout / path.name).symlink_to(path)
        # Commands write into this folder.
        (self.checkout / "deploy").unlink()
        shutil.copytree(ROOT / "deploy", self.checkout / "deploy")
        (self.checkout / ".venv").symlink_to(ROOT / ".venv")
        self.port = free_port()
        self.elsewhere: dict[str, str] = {}
        """Addresses of the document that are others here."""
        self._programs = place / "bin"
        self._programs.mkdir()
        # The documents name port 8000, which may be taken here: both programs use another one.
        self._program("curl", f'"$@" --connect-to {_SERVICE}:{HOST}:{self.port}')
        self._program("make", f'"$@" PORT={self.port}')
        self._server: subprocess.Popen[bytes] | None = None
        self._log = place / "server.log"

    def _program(self, name: str, arguments: str) -> None:
        path = self._programs / name
        path.write_text(f"#!/bin/sh\nexec {shutil.which(name)} {arguments}\n")
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("CDS_", "MAKE"))}
        return kept | {"PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}"}

    def follow(self, document: str) -> None:
        """Run its commands; compare what they print with the answers that it shows."""
        blocks = fences_of(document)
        if _calls_the_service(document) and not _starts_the_service(document):
            self.serve("make run")
        printed = ""
        for block in blocks:
            if block in shell_blocks(document):
                printed = self.run_block(block)
            elif block.info.endswith(f" {ANSWER}"):
                assert_shows(block, printed)

    def run_block(self, block: Block) -> str:
        """Run its commands in one shell after the other; what the last one prints."""
        printed, settings = "", ""
        for command in commands_of(block):
            if command.reason is not None:
                continue
            if re.fullmatch(r"(?:export )?[A-Z_]+=\S*", command.text):
                settings += command.text + "\n"
            elif command.is_server:
                self.serve(settings + command.text)
            else:
                printed = self.run(command, settings)
        return printed

    def run(self, command: Command, settings: str) -> str:
        done = subprocess.run(  # noqa: S603
            ["bash", "-o", "pipefail", "-c", self._here(settings + command.text)],  # noqa: S607
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        expected = {0, 1} if _MAY_END_WITH_1.fullmatch(command.text) else {0}
        assert done.returncode in expected, (
            f"{command.block.place}: `{command.text}` ended with {done.returncode}:\n"
            f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done.stdout

    def serve(self, command: str) -> None:
        """Start the service as the command says, in place of the one before."""
        self.stop()
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603
                ["bash", "-c", self._here(command)],  # noqa: S607
                cwd=self.checkout,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self._server
        wait_for(self._answers, PATIENCE_SECONDS, lambda: process.poll() is not None)

    def _here(self, text: str) -> str:
        for address, other in self.elsewhere.items():
            text = text.replace(address, other)
        return text

    def _answers(self) -> bool:
        import urllib.request

        with urllib.request.urlopen(f"http://{HOST}:{self.port}/health", timeout=5) as answer:
            return bool(answer.status == 200)

    def stop(self) -> None:
        """Stop the service. How it stops is the matter of tests/operations."""
        if self._server is not None and self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(PATIENCE_SECONDS / 2)
            except subprocess.TimeoutExpired:
                os.killpg(self._server.pid, signal.SIGKILL)
                self._server.wait()
        self._server = None


@contextmanager
def reader(place: Path) -> Iterator[Reader]:
    """A reader, whose server is stopped at the end."""
    found = Reader(place)
    try:
        yield found
    finally:
        found.stop()


def _calls_the_service(document: str) -> bool:
    return any(
        _SERVICE in command.text and not command.is_server
        for block in shell_blocks(document)
        for command in commands_of(block)
    )


def _starts_the_service(document: str) -> bool:
    return any(c.is_server for block in shell_blocks(document) for c in commands_of(block))


def masked(text: str) -> str:
    """Without what differs from call to call."""
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return text


def assert_shows(block: Block, printed: str) -> None:
    """The block shows what was printed. In JSON, members may be left out of an object."""
    if block.language == "json":
        shown = json.loads(masked(block.text))
        missing = differences(shown, json.loads(masked(printed)))
        assert missing == [], f"{block.place}: {missing}; printed: {printed[:3000]}"
    else:
        assert masked(printed).strip() == masked(block.text).strip(), block.place


def differences(shown: Any, actual: Any, where: str = "$") -> list[str]:
    """Where a value that is shown is not the actual one. An object may be shown in part."""
    match shown, actual:
        case dict(), dict():
            return [
                line
                for name, value in shown.items()
                for line in differences(value, actual.get(name, "(nothing)"), f"{where}.{name}")
            ]
        case list(), list() if len(shown) == len(actual):
            return [
                line
                for number, (one, other) in enumerate(zip(shown, actual, strict=True))
                for line in differences(one, other, f"{where}[{number}]")
            ]
    return [] if shown == actual else [f"{where} is {str(actual)[:200]!r}"]
