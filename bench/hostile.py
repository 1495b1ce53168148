"""`python -m bench.hostile`: time and memory for large bodies that are designed to be expensive.

Each body is sent to a new process. Prints the processor time for each megabyte, and the growth of
the process as a multiple of the body. Exits with 1 if a limit is exceeded.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

MEGABYTES = 8
MOST_MS_A_MEGABYTE = 40.0
MOST_TIMES_THE_BODY = 3.0
_SIZE = MEGABYTES * 1_000_000


def _call() -> str:
    from bench.bodies import cases

    return cases(20, datetime.now(UTC).date())["patient-view, card"][1].decode()


def _in_prefetch(filling: str) -> bytes:
    """A valid call with additional content next to its prefetch values."""
    return _call().replace('"prefetch":', f'"x": [{filling}0], "prefetch":', 1).encode()


def _beside_a_problem(text: str) -> bytes:
    call = json.loads(_call())
    for entry in call["prefetch"]["conditions"]["entry"]:
        entry["resource"]["code"]["text"] = text
        for coding in entry["resource"]["code"].get("coding", ()):
            coding["display"] = text
    return json.dumps(call).encode()


def _many_members(place: str) -> bytes:
    members = ",".join(f'"{n}":1' for n in range(_SIZE // 10))
    call = _call()
    if place == "call":
        return f"{{{members},{call[1:]}".encode()
    return call.replace('"prefetch":{', f'"prefetch":{{{members},', 1).encode()


def _named(name: str) -> bytes:
    return f'{{"{name}":1,{_call()[1:]}'.encode()


def _entries(entry: str) -> bytes:
    call = json.loads(_call())
    call["prefetch"]["allergies"] = "@"
    many = ",".join([entry] * (_SIZE // (len(entry) + 1)))
    bundle = f'{{"resourceType":"Bundle","type":"searchset","entry":[{many}]}}'
    return json.dumps(call).replace('"@"', bundle).encode()


BODIES: dict[str, Callable[[], bytes]] = {
    "a real chart": lambda: _entries(
        '{"fullUrl":"https://ehr.example.org/fhir/AllergyIntolerance/1","resource":{"resourceType":'
        '"AllergyIntolerance","id":"1","clinicalStatus":{"coding":[{"system":"http://terminology.hl7'
        '.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"code":{"coding":[{"system":'
        '"http://www.nlm.nih.gov/research/umls/rxnorm","code":"7980","display":"penicillin"}],"text":'
        '"Penicillin"},"patient":{"reference":"Patient/1"},"recordedDate":"2020-01-01"}}'
    ),
    "one long text": lambda: _beside_a_problem("<" * (_SIZE // 40)),
    "many texts at the bound": lambda: _beside_a_problem("<" * 9_999),
    "a long name": lambda: _named("a" * _SIZE),
    "a long name of escapes": lambda: _named("\\" * _SIZE),
    "many members of the call": lambda: _many_members("call"),
    "many prefetch keys": lambda: _many_members("prefetch"),
    "many empty objects": lambda: _in_prefetch("{}," * (_SIZE // 3)),
    "many numbers": lambda: _in_prefetch("1," * (_SIZE // 2)),
    "many small entries": lambda: _entries(
        '{"resource":{"resourceType":"AllergyIntolerance","id":"1234567890"}}'
    ),
    "many broken entries": lambda: _entries('{"resource":{"resourceType":1,"id":"123456789012"}}'),
    "deep": lambda: _in_prefetch("[" * (_SIZE // 2) + "]" * (_SIZE // 2) + ","),
    "blanks": lambda: _call().replace('"prefetch":', f'{" " * _SIZE}"prefetch":', 1).encode(),
}


def measure(name: str) -> None:
    """Runs in a separate process. Returns status, milliseconds, growth in kilobytes, and size of
    the body.
    """
    from cds_service import create_app
    from cds_service.settings import Settings

    client = create_app(Settings(log_level="ERROR", data_dir=sys.argv[2])).test_client()
    path, small = "/cds-services/magnesium-migraine-patient-view", _call().encode()
    for _ in range(3):
        client.post(path, data=small, content_type="application/json")
    body = BODIES[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    reply = client.post(path, data=body, content_type="application/json")
    taken = time.process_time() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([reply.status_code, taken * 1000, grown, len(body)]))


def main() -> list[str]:
    """Measure all bodies. Returns the limits that were exceeded."""
    import tempfile

    print(f"{'body':<28} {'MB':>5} {'status':>6} {'ms a MB':>8} {'memory':>7}")
    broken = []
    for name in BODIES:
        with tempfile.TemporaryDirectory() as directory:
            command = [sys.executable, "-m", "bench.hostile", name, directory]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        status, milliseconds, kilobytes, size = json.loads(done.stdout.splitlines()[-1])
        rate, times = milliseconds / (size / 1e6), kilobytes * 1024 / size
        print(f"{name:<28} {size / 1e6:>5.1f} {status:>6} {rate:>8.1f} {times:>6.1f}x")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            broken.append(f"{name}: status {status}")
        if rate > MOST_MS_A_MEGABYTE:
            broken.append(f"{name}: {rate:.1f} ms for each megabyte")
        if times > MOST_TIMES_THE_BODY:
            broken.append(f"{name}: the process grew by {times:.1f} times the body")
    return broken


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(sys.argv[1])
    else:
        raise SystemExit("\n".join(main()) or None)
