"""Traces: a real collector receives the spans of real workers, and nothing of a patient."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cds_service import create_app
from cds_service.settings import Settings, SettingsError
from cds_service.web.operate.tracing import NOT_INSTALLED, REFUSED, Untraced, tracing_of

from ..fetching.calling import TOKEN, call_at, listed
from ..fetching.calling import serving as ehr_with
from ..fetching.ehr import Asked, Reply, running, say
from ..support import fhir
from ..support.collector import Collector, collecting
from ..support.serving import HOST, ROOT, Running, environment, free_port, serving, started_with
from ..support.waiting import wait_for
from .conftest import HOOK, hook_request

pytest.importorskip("opentelemetry.sdk", reason="make install-otel")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALL = "POST /cds-services/<service_id>"
SERVER, CLIENT, INTERNAL = 2, 3, 1
ATTRIBUTES = {
    CALL: {
        *("http.request.method", "http.route", "http.response.status_code", "cds.request"),
        *("cds.service", "cds.knowledge", "cds.site", "cds.cards"),
    },
    "GET ": {
        *("http.request.method", "url.template", "server.address", "server.port"),
        *("cds.prefetch.key", "cds.fetch.page", "http.response.body.size"),
    },
    "decide": set(),
    "look up earlier suggestions": set(),
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def traceparent(flag: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flag}"}


def site_with_lockouts(folder: Path) -> dict[str, str]:
    file = folder / "site.yaml"
    file.write_text("site: {id: a, title: A}\ncards: {mg-suggest: {lockoutDays: 30}}\n")
    return {"CDS_SITE_FILE": str(file), "CDS_LOCKOUT_KEY": "0123456789abcdef" * 4}


@pytest.mark.server
def test_a_call_is_one_trace_from_the_caller_to_the_fhir_server(
    collector: Collector, tmp_path: Path
) -> None:
    whole = hook_request()
    drug = {"resourceType": "Medication", "id": "drug-of-the-patient", "code": {"text": "x"}}
    order = {
        "resourceType": "MedicationRequest", "id": "o1", "status": "active", "intent": "order",
        "subject": {"reference": f"Patient/{fhir.PATIENT_ID}"},
        "medicationReference": {"reference": "Medication/drug-of-the-patient"},
    }  # fmt: skip
    chart = ehr_with(whole["prefetch"], medicationRequests=lambda _: say(fhir.bundle([order])))

    def answer(asked: Asked) -> Reply:
        if asked.what == "Medication":
            return say({}, 400)
        return say(drug) if asked.what.startswith("Medication/") else chart(asked)

    with running(answer) as ehr, serving(
        tmp_path, CDS_FHIR_SERVERS=ehr.base, **collector.environment, **site_with_lockouts(tmp_path)
    ) as server:  # fmt: skip
        reply = server.ask("POST", HOOK, call_at(ehr.base, whole), traceparent())
        assert reply.status == 200
        (call,) = collector.wait_for(1, CALL)
        asked = {a.headers["traceparent"].split("-")[2]: a for a in ehr.asked}
        fetches = collector.wait_for(len(asked), "GET ")
    steps = [span for span in collector.spans if span is not call]
    assert {span.trace for span in collector.spans} == {TRACE}
    assert (call.parent, call.kind) == (PARENT, SERVER)
    assert reply.headers["traceparent"] == f"00-{TRACE}-{call.span}-01"
    assert {span.span for span in fetches} == set(asked)
    assert {span.parent for span in fetches} == {call.span}
    assert {span.kind for span in fetches} == {CLIENT}
    names = {span.name for span in fetches}
    assert {"GET Patient/{id}", "GET Condition", "GET Medication", "GET Medication/{id}"} <= names
    (decide,) = [span for span in steps if span.name == "decide"]
    assert (decide.parent, decide.kind) == (call.span, INTERNAL)
    (look,) = [span for span in steps if span.name == "look up earlier suggestions"]
    assert look.parent == decide.span
    assert [s.attributes["error.type"] for s in fetches if s.failed] == ["status_400"]
    require_nothing_of_a_patient(collector)


def require_nothing_of_a_patient(collector: Collector) -> None:
    for span in collector.spans:
        (kind,) = [name for name in ATTRIBUTES if span.name.startswith(name)]
        assert set(span.attributes) - {"error.type"} <= ATTRIBUTES[kind], span
        assert "?" not in str(span.attributes)
    everything = b"".join(collector.raw)
    for secret in (fhir.PATIENT_ID, TOKEN, "drug-of-the-patient", "Condition?", "mg-suggest"):
        assert secret.encode() not in everything, secret


@pytest.mark.server
def test_calls_without_a_trace_begin_one_and_an_unrecorded_trace_is_not_recorded(
    collector: Collector, tmp_path: Path
) -> None:
    with serving(tmp_path, **collector.environment) as server:
        unrecorded = server.ask("POST", HOOK, hook_request(), traceparent("00"))
        for path in ("/health", "/ready", "/metrics", "/health/"):
            server.ask("GET", path)
        own = server.ask("POST", HOOK, hook_request())
        server.ask("GET", "/Smith")
        collector.wait_for(1, "HTTP")
        server.stop()
    assert unrecorded.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert unrecorded.headers["traceparent"].endswith("-00")
    (call,) = collector.of(CALL)
    assert call.parent == ""
    assert own.headers["traceparent"] == f"00-{call.trace}-{call.span}-01"
    assert {span.name for span in collector.spans} == {CALL, "decide", "HTTP"}
    assert b"Smith" not in b"".join(collector.raw)


@pytest.mark.server
def test_each_worker_exports_and_none_loses_its_last_spans_when_stopped(
    collector: Collector, tmp_path: Path
) -> None:
    late = collector.environment | {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    with serving(tmp_path, "--workers", "2", **late, OTEL_SERVICE_NAME="our-cds") as server:
        wait_for(lambda: len(server.workers()) == 2)
        replies = [server.ask("POST", HOOK, hook_request(), patience=60) for _ in range(40)]
        assert collector.spans == []
        server.stop()
    assert {reply.status for reply in replies} == {200}
    spans = {reply.headers["traceparent"].split("-")[2] for reply in replies}
    assert {span.span for span in collector.of(CALL)} == spans
    assert {span.resource["service.name"] for span in collector.spans} == {"our-cds"}


@pytest.mark.server
def test_a_server_that_forks_after_loading_exports_from_its_workers(
    collector: Collector, tmp_path: Path
) -> None:
    port = free_port()
    command = ("gunicorn", "--preload", "--no-control-socket", "--workers", "2")
    output = (tmp_path / "output").open("wb")
    with (
        output,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *command, "--bind", f"{HOST}:{port}", "app:app"],
            cwd=ROOT,
            env=environment(tmp_path, **collector.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        server = Running(process, port, tmp_path / "output")
        wait_for(lambda: server.ask("GET", "/health"), given_up=server.has_ended)
        replies = [server.ask("POST", HOOK, hook_request()) for _ in range(10)]
        collector.wait_for(10, CALL)
        server.stop()
    spans = {reply.headers["traceparent"].split("-")[2] for reply in replies}
    assert {span.span for span in collector.of(CALL)} == spans


@pytest.mark.server
@pytest.mark.parametrize("is_there", [True, False], ids=["hangs", "down"])
def test_no_call_waits_for_the_collector(
    collector: Collector, tmp_path: Path, is_there: bool
) -> None:
    """It answers nobody until all calls have their responses, and its queue is much too short."""
    collector.hold()
    address = collector.address if is_there else f"http://{HOST}:{free_port()}"
    short = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}
    chosen = collector.environment | short | {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
    with serving(tmp_path, **chosen) as server:
        for _ in range(60):
            assert server.ask("POST", HOOK, hook_request()).status == 200
        assert collector.spans == []
        wait_for(lambda: "does not accept spans" in server.output)
        collector.release()
        if is_there:
            server.ask("POST", HOOK, hook_request())
            collector.wait_for(1, CALL)
            wait_for(lambda: "accepts spans again" in server.output)
        output = server.stop()
        assert server.process.returncode == 0
    assert output.count("does not accept spans") == 1
    assert "a message of a library" not in output


@pytest.mark.server
def test_a_stop_does_not_wait_long_for_a_collector_that_hangs(
    collector: Collector, tmp_path: Path
) -> None:
    collector.hold()
    late = collector.environment | {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    with serving(tmp_path, **late, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1") as server:
        for _ in range(20):
            server.ask("POST", HOOK, hook_request())
        server.stop()
        assert server.process.returncode == 0
    assert not collector.answered.is_set()


def test_an_error_is_recorded_by_its_type_alone(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in collector.environment.items():
        monkeypatch.setenv(name, value)
    from cds_service.web.operate.otel import Traced

    def fail(_: Any) -> None:
        raise ValueError("Jane Smith")

    level = logging.getLogger("opentelemetry").level
    with closing(Traced(os.environ)) as traced, pytest.raises(ValueError, match="Jane"):
        traced.wrap("decide", fail)("Smith")
    logging.getLogger("opentelemetry").setLevel(level)
    (span,) = collector.of("decide")
    assert span.failed
    assert span.attributes == {"error.type": "ValueError"}
    assert b"Smith" not in b"".join(collector.raw)


# ------------------------------------------------------------------- the choice at the start


def test_without_a_collector_each_function_is_used_as_it_is() -> None:
    tracing = tracing_of({"OTEL_SERVICE_NAME": "x"})
    assert isinstance(tracing, Untraced)
    assert tracing.wrap("decide", fhir.bundle) is fhir.bundle


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "True"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"},
    ],
)
def test_no_traces_unless_they_are_asked_for(variables: dict[str, str]) -> None:
    assert isinstance(tracing_of(variables), Untraced)


BAD: list[tuple[dict[str, str], str]] = [
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be an http"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:port"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be"),
    ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be"),
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf",
    ),
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "zipkin"},
        "OTEL_TRACES_EXPORTER must be otlp or none.",
    ),
]


@pytest.mark.parametrize(("variables", "text"), BAD)
def test_a_bad_value_is_named(variables: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        tracing_of(variables)
    assert str(raised.value).startswith(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("OTEL_BSP_MAX_QUEUE_SIZE", "0"), ("OTEL_BSP_SCHEDULE_DELAY", "soon")),
        *(("OTEL_EXPORTER_OTLP_TIMEOUT", "short"), ("OTEL_TRACES_SAMPLER", "sometimes")),
        *(("OTEL_EXPORTER_OTLP_HEADERS", "secret"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1")),
    ],
)
def test_a_value_that_the_library_would_replace_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    level = logging.getLogger("opentelemetry").level
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{HOST}:9")
    with pytest.raises(SettingsError) as raised:
        tracing_of(os.environ)
    assert str(raised.value) == REFUSED
    assert logging.getLogger("opentelemetry").level == level


def test_a_call_for_which_no_thread_can_be_started_is_answered(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its headers are then those without traces, and the next call has a trace."""
    from cds_service.web.operate.otel import Traced

    def exhausted(_: Traced) -> None:
        raise RuntimeError("can't start new thread")

    for name, value in collector.environment.items():
        monkeypatch.setenv(name, value)
    whole = hook_request()
    with running(ehr_with(whole["prefetch"])) as ehr:
        app = create_app(Settings(data_dir=str(tmp_path), fhir_servers=listed(ehr.base)))
        client = app.test_client()
        body = call_at(ehr.base, whole)
        with monkeypatch.context() as patch:
            patch.setattr(Traced, "_start", exhausted)
            reply = client.post(HOOK, json=body, headers=traceparent())
        assert reply.status_code == 200
        assert reply.headers["traceparent"].startswith(f"00-{TRACE}-")
        sent = [asked.headers["traceparent"] for asked in ehr.asked]
        assert len(set(sent)) == len(sent) == 9
        assert all(one.startswith(f"00-{TRACE}-") and "-0000" not in one for one in sent)
        assert client.post(HOOK, json=whole, headers=traceparent()).status_code == 200
    (call,) = collector.wait_for(1, CALL)
    assert call.parent == PARENT


@pytest.mark.server
def test_a_bad_value_stops_the_start_with_one_line(tmp_path: Path) -> None:
    code, output = started_with(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="collector")
    assert (code, output) == (2, "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address.\n")


@pytest.mark.parametrize(
    ("start", "code"),
    [("from tools.serve import main; sys.exit(main())", 2), ("import app", 3)],
    ids=["make run", "another server"],
)
def test_without_the_packages_the_start_stops_with_one_line(
    tmp_path: Path, start: str, code: int
) -> None:
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    script = (
        "import sys; sys.modules['opentelemetry.sdk'] = None;"
        f" sys.argv[1:] = ['--terminal', '--port', '{free_port()}']; {start}"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(tmp_path, **{name: f"http://{HOST}:9"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code
    assert done.stderr == NOT_INSTALLED.format(name=name) + "\n"


def test_a_service_in_this_process_has_no_traces() -> None:
    """The tests run without a collector, whatever the machine has set."""
    app = create_app(Settings())
    assert app.teardown_request_funcs == {}
