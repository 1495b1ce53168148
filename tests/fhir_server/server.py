"""HAPI FHIR's JPA server on the loopback address, with the synthetic patients in it.

It is HAPI's own server on its in-memory database, from the artifacts that HAPI publishes. They need
Java 17 and Maven; nothing is built. `python -m tests.fhir_server.server` runs it until Ctrl-C, with
`--test` until the tests against it are done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cds_service.sandbox.patients import bundle_of, load_all

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = ROOT / ".cache" / "fhir-server"
POM = HERE / "hapi" / "pom.xml"
PROGRAM = HERE / "hapi" / "FhirServer.java"
MODELS = HERE / "hapi" / "CdsHooksModels.java"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
START_SECONDS = 420
# Where a test finds the server.
VARIABLE = "FHIR_SERVER"


def class_path() -> str:
    """The artifacts, fetched once for each state of the pom."""
    state = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    path = CACHE / f"class-path-{state}"
    if not path.is_file() or not all(map(os.path.exists, path.read_text().split(os.pathsep))):
        CACHE.mkdir(parents=True, exist_ok=True)
        print("Fetching the FHIR server; this takes minutes the first time", flush=True)  # noqa: T201
        maven = [program("mvn"), "--batch-mode", "--quiet", "--file", str(POM)]
        subprocess.run([*maven, PLUGIN, f"-Dmdep.outputFile={path}"], check=True)  # noqa: S603
    return path.read_text()


def program(name: str) -> str:
    """A program that must be on this machine."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not on this machine; the FHIR server needs Java 17 and Maven.")
    return found


def read_by_hapi(lines: Sequence[tuple[str, Any]]) -> list[tuple[bool, Any]]:
    """Each of these (kind and JSON) as HAPI's classes of CDS Hooks hold it, or why they cannot."""
    command = [program("java"), "-XX:TieredStopAtLevel=1", "-cp", class_path(), str(MODELS)]
    sent = "".join(f"{kind}\t{json.dumps(value)}\n" for kind, value in lines)
    done = subprocess.run(  # noqa: S603
        command, input=sent, capture_output=True, encoding="utf-8", check=True, timeout=300
    )
    found = [line.partition("\t") for line in done.stdout.splitlines() if "\t" in line]
    return [(said == "ok", json.loads(text) if said == "ok" else text) for said, _, text in found]


@contextmanager
def running(port: int) -> Iterator[str]:
    """The server, while the block lasts: its address."""
    log = CACHE / "server.log"
    classes = class_path()
    ready = threading.Event()
    command = [program("java"), "-Xmx1500m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    command += ["-cp", classes, str(PROGRAM), str(port)]
    process = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=CACHE
    )
    listener = threading.Thread(target=listen, args=(process, log, ready), daemon=True)
    listener.start()
    try:
        wait_for(process, ready, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        listener.join()


def listen(process: subprocess.Popen[str], log: Path, ready: threading.Event) -> None:
    """Keep what the server says, and notice when it is ready."""
    assert process.stdout is not None
    with log.open("w") as file:
        for line in process.stdout:
            file.write(line)
            if line.strip() == "ready":
                ready.set()


def wait_for(process: subprocess.Popen[str], ready: threading.Event, log: Path) -> None:
    """Until it answers; the end of the process if it does not."""
    end = time.monotonic() + START_SECONDS
    while not ready.wait(0.5):
        if process.poll() is not None or time.monotonic() > end:
            tail = "".join(log.read_text().splitlines(keepends=True)[-30:])
            raise SystemExit(f"The FHIR server did not start:\n{tail}")


def load(base: str, today: date) -> None:
    """Put every synthetic patient into the server, dated for the day."""
    for pid in load_all():
        send(base, transaction(bundle_of(pid, today)))


def transaction(chart: dict[str, Any]) -> dict[str, Any]:
    """The chart as one transaction that keeps the ids."""
    resources = [entry["resource"] for entry in chart["entry"]]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in resources
        ],
    }


def send(base: str, bundle: dict[str, Any]) -> None:
    """Post a transaction."""
    headers = {"Content-Type": "application/fhir+json"}
    request = urllib.request.Request(base, json.dumps(bundle).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        answer.read()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def main() -> int:
    """Run the server: for tests, or until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--test", action="store_true", help="run the tests against it, then stop")
    arguments = parser.parse_args()
    port = arguments.port or free_port()
    started = time.monotonic()
    with running(port) as address:
        load(f"{address}/fhir", datetime.now(UTC).date())
        seconds = round(time.monotonic() - started)
        print(f"{address}/fhir holds the synthetic patients (after {seconds} s)", flush=True)  # noqa: T201
        if not arguments.test:
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                return 0
        tests = [sys.executable, "-m", "pytest", str(HERE)]
        return subprocess.run(tests, env=os.environ | {VARIABLE: address}, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
