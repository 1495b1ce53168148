"""The Helm chart as the real Helm renders it. No cluster runs here.

`.ci/run` builds Helm where Go is. Elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.settings import read_settings, unknown_variables
from cds_service.site.load import read_site
from cds_service.trust.clients import read_clients
from cds_service.version import VERSION

from ..support.decisions import knowledge
from ..support.serving import ROOT

CHART = ROOT / "deploy" / "helm" / "magnesium-cds"
EXAMPLE = ROOT / "deploy" / "helm" / "values.example.yaml"
KUBERNETES = "1.31.0"
EVERYTHING = (
    *("ingress.enabled=true", "ingress.tlsSecretName=tls", "ingress.className=nginx"),
    *("serviceMonitor.enabled=true", "secret.hasLockoutKey=true"),
)
Manifest = dict[str, Any]
Render = Callable[..., dict[str, Manifest]]


@pytest.fixture(scope="module")
def helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    built = ROOT / ".cache" / "helm" / "helm"
    program = str(built) if built.is_file() else shutil.which("helm")
    if program is None:
        pytest.skip("helm is not on this machine, and .ci/run could not build it (it needs Go)")

    def run(task: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [program, task, *arguments, "--kube-version", KUBERNETES]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603

    return run


@pytest.fixture
def render(helm: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> Render:
    def run(*changes: str, **values: Any) -> dict[str, Manifest]:
        """The manifests by kind; a second Service is "Service operators"."""
        more = tmp_path / "values.yaml"
        more.write_text(json.dumps(values))
        sets = [option for change in changes for option in ("--set", change)]
        done = helm("template", "r", str(CHART), "-f", str(EXAMPLE), "-f", str(more), *sets)
        assert done.returncode == 0, done.stderr
        documents = [d for d in yaml.safe_load_all(done.stdout) if d]
        found = {d["kind"] + (" operators" if _is_second(d) else ""): d for d in documents}
        assert len(found) == len(documents)
        return found

    return run


def _is_second(document: Manifest) -> bool:
    return document["kind"] == "Service" and document["metadata"]["name"].endswith("-operators")


def container(manifests: dict[str, Manifest]) -> Manifest:
    (found,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(manifests: dict[str, Manifest]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(manifests)["env"]}


@pytest.mark.parametrize("changes", [(), EVERYTHING], ids=["example", "everything"])
def test_helm_finds_no_fault(
    helm: Callable[..., subprocess.CompletedProcess[str]], changes: tuple[str, ...]
) -> None:
    sets = [option for change in changes for option in ("--set", change)]
    done = helm("lint", str(CHART), "--strict", "-f", str(EXAMPLE), *sets)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_and_its_image_are_this_version(render: Render) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)
    assert container(render())["image"].endswith(f"/magnesium-cds:{VERSION}")
    digest = "sha256:" + "0" * 64
    assert container(render(f"image.digest={digest}"))["image"].endswith(f"magnesium-cds@{digest}")


def test_nothing_runs_as_root_or_writes_to_its_root(render: Render) -> None:
    manifests = render(*EVERYTHING)
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert container(manifests)["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    mounts = {m["mountPath"]: m for m in container(manifests)["volumeMounts"]}
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == {"/tmp", "/var/lib/magnesium-cds"}  # noqa: S108 - in the container
    assert {m["name"] for m in mounts.values()} == {v["name"] for v in pod["volumes"]}


def test_the_probes_ask_addresses_of_the_service(render: Render, app: Flask) -> None:
    found = container(render())
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}
    paths = {
        kind: found[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")
    }
    assert {kind: probe["path"] for kind, probe in paths.items()} == {
        "startup": "/health", "liveness": "/health", "readiness": "/ready",
    }  # fmt: skip
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    for probe in paths.values():
        assert probe["path"] in routes
        assert ports[probe["port"]] == 8000
    # The image serves on this port, and the operators' port is the other one.
    assert "--port 8000 " in (ROOT / "deploy" / "Containerfile").read_text()
    assert environment(render())["CDS_OPERATOR_ADDRESS"] == f"0.0.0.0:{ports['operators']}"


def test_services_policies_and_budget_select_the_pods(render: Render) -> None:
    manifests = render(*EVERYTHING)
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["Service"]["spec"]["selector"],
        manifests["Service operators"]["spec"]["selector"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
    monitor = manifests["ServiceMonitor"]["spec"]
    selected = {
        kind
        for kind in ("Service", "Service operators")
        if monitor["selector"]["matchLabels"].items()
        <= manifests[kind]["metadata"]["labels"].items()
    }
    assert selected == {"Service operators"}
    backend = manifests["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == manifests["Service"]["metadata"]["name"]
    assert manifests["Ingress"]["spec"]["tls"][0]["hosts"] == ["cds.example.org"]


def test_the_operators_port_is_closed_until_somebody_is_named(render: Render) -> None:
    (calls,) = render()["NetworkPolicy"]["spec"]["ingress"]
    assert calls["ports"] == [{"port": "http", "protocol": "TCP"}]
    prometheus = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
    policy = {"callers": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "monitoring": prometheus}
    calls, reads = render(networkPolicy=policy)["NetworkPolicy"]["spec"]["ingress"]
    assert calls["from"] == policy["callers"]
    assert (reads["ports"][0]["port"], reads["from"]) == ("operators", prometheus)


def test_the_service_can_be_started_with_its_settings_and_files(
    render: Render, tmp_path: Path
) -> None:
    manifests = render(
        *EVERYTHING, settings={"CDS_MAX_BODY_BYTES": "20000000", "OTEL_SERVICE_NAME": "cds"}
    )
    names = environment(manifests)
    assert unknown_variables(names) == []
    assert names.pop("WORKERS") == "2"
    assert names.pop("OTEL_SERVICE_NAME") == "cds"
    secrets = {"database-url": "postgresql://cds:word@db/cds", "lockout-key": "k" * 32}
    files = manifests["ConfigMap"]["data"] | secrets
    mounted = {"/etc/magnesium-cds": tmp_path, "/run/secrets/magnesium-cds": tmp_path}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for before, after in mounted.items():
        names = {n: value.replace(before, str(after)) for n, value in names.items()}
    settings = read_settings(names, tmp_path / "none")
    assert settings.max_body_bytes == 20_000_000
    assert settings.database_url == secrets["database-url"]
    (client,) = read_clients(Path(settings.clients_file)).values()
    assert client.name == "north-hospital"
    site = read_site(Path(settings.site_file), knowledge(), HOOKS_OF_FILES, date(2026, 11, 28))
    assert site.label.startswith("example-hospital+")


def test_a_changed_file_replaces_the_pods(render: Render) -> None:
    def checksum(**values: Any) -> str:
        template = render(**values)["Deployment"]["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum(replicas=3)
    assert checksum() != checksum(site="site: {id: other, title: Other}\n")
    assert checksum() != checksum(clients=[{"name": "a", "iss": "https://a.example.org"}])


def test_one_pod_has_no_budget_and_a_chart_can_do_without_the_rest(render: Render) -> None:
    few = render("replicas=1", "networkPolicy.enabled=false")
    assert set(few) == {"ConfigMap", "Deployment", "Service", "Service operators"}
    assert "CDS_SITE_FILE" not in environment(render(site=""))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"publicUrl": ""}, "/publicUrl"),
        ({"publicUrl": "http://cds.example.org"}, "/publicUrl"),
        ({"clients": []}, "/clients"),
        ({"secret": {"name": ""}}, "/secret/name"),
        ({"settings": {"CDS_THREADS": 16}}, "/settings/CDS_THREADS"),
        ({"settings": {"PATH": "/tmp"}}, "PATH"),  # noqa: S108
        ({"replica": 3}, "replica"),
        ({"ingress": {"enabled": True}}, "ingress.tlsSecretName is required"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    helm: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    values: dict[str, Any],
    said: str,
) -> None:
    more = tmp_path / "values.yaml"
    more.write_text(json.dumps(values))
    done = helm("template", "r", str(CHART), "-f", str(EXAMPLE), "-f", str(more))
    assert done.returncode != 0
    assert said in done.stderr
