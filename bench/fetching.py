"""`python -m bench.fetching`: five missing keys from a server that takes 50 ms for each response.

The server is a separate process. The baseline is one bare request on an open connection. Prints
medians. With `--check` it exits with 1 above the budget.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import multiprocessing
import statistics
import sys
import time
from multiprocessing.connection import Connection
from typing import Any

import msgspec

LATENCY = 0.05
BUDGET_MS = 75
ROUNDS = 60
WARM = 10
_ANSWER = b'{"resourceType":"Bundle","type":"searchset","total":0}'
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: "
    + str(len(_ANSWER)).encode()
    + b"\r\n\r\n"
)
LEFT_OUT = ("allergies", "kidneyLabs", "magnesiumLabs", "pregnancyStatus", "kidneyProcedures")


async def _serve(said: Connection) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
            await asyncio.sleep(LATENCY)
            writer.write(_HEAD + _ANSWER)
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    said.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


def _server(said: Connection) -> None:
    sys.stderr = None  # connections end when the benchmark ends
    asyncio.run(_serve(said))


def _bare(port: int) -> list[float]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        connection.request("GET", "/fhir/Condition?patient=1")
        connection.getresponse().read()
        times.append((time.perf_counter() - started) * 1000)
    connection.close()
    return times[WARM:]


def _service(port: int) -> list[float]:
    from cds_service import create_app
    from cds_service.fetching.servers import Server
    from cds_service.settings import Settings

    base = f"http://127.0.0.1:{port}/fhir"
    servers = (Server(url=base, open=True),)
    client = create_app(Settings(fhir_servers=servers, log_level="ERROR")).test_client()
    listing = client.get("/sandbox/patients").get_json()
    service = "magnesium-migraine-patient-view"
    body: dict[str, Any] = client.get(f"/sandbox/requests/{listing[0]['id']}/{service}").get_json()
    for key in LEFT_OUT:
        del body["prefetch"][key]
    data = msgspec.json.encode(body | {"fhirServer": base})
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        answer = client.post(f"/cds-services/{service}", data=data, content_type="application/json")
        times.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200:
            raise SystemExit(f"answered with {answer.status_code}")
    return times[WARM:]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 above the budget")
    check = parser.parse_args().check
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=_server, args=(there,), daemon=True)
    server.start()
    try:
        port: int = here.recv()
        baseline, fetched = _bare(port), _service(port)
    finally:
        server.terminate()
        server.join()
    median = statistics.median(fetched)
    print(f"one bare request to a server with {LATENCY * 1000:.0f} ms: ", end="")
    print(f"median {statistics.median(baseline):.1f} ms")
    print(f"a call with {len(LEFT_OUT)} keys to fetch: median {median:.1f} ms,", end=" ")
    print(f"90 % within {statistics.quantiles(fetched, n=10)[-1]:.1f} ms; budget {BUDGET_MS} ms")
    return 1 if check and median > BUDGET_MS else 0


if __name__ == "__main__":
    sys.exit(main())
