"""deploy/compose.yaml follows the specification, is closed, and names settings and files that exist.

No container engine runs here. Its configuration of nginx runs in `test_proxies.py`.
`compose-spec.json` is schema/compose-spec.json of https://github.com/compose-spec/compose-spec at
commit 170098ba07d9f53c383a41bfd4c5166b0a4529a6 (Apache-2.0), unchanged.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from cds_service.settings import read_settings, unknown_variables
from cds_service.version import VERSION

from ..support.serving import ROOT, serving

FILE = ROOT / "deploy" / "compose.yaml"
DIGEST = "@sha256:" + "0" * 64
GIVEN = {
    "BASE_IMAGE": f"python:3.13-slim{DIGEST}",
    "CDS_PUBLIC_URL": "https://cds.example.org",
    "NGINX_IMAGE": f"nginx:1.28{DIGEST}",
    "POSTGRES_IMAGE": f"postgres:17{DIGEST}",
}
OTHER_VARIABLES = {"WORKERS", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "PGDATA"}
_VARIABLE = re.compile(r"\$\{([A-Z_]+):([?-])([^}]*)\}")


def interpolated(given: dict[str, str]) -> Any:
    """The file with the values of a user, by the two forms of interpolation that it uses."""

    def value(found: re.Match[str]) -> str:
        name, form, rest = found.groups()
        if name not in given and form == "?":
            raise KeyError(f"{name}: {rest}")
        return given.get(name, rest)

    return yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    document: dict[str, Any] = interpolated(GIVEN)
    return document


def test_it_follows_the_specification(project: dict[str, Any]) -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    assert [error.message for error in validator.iter_errors(project)] == []
    misspelt = project | {"services": {"service": {"image": "a", "readonly": True}}}
    assert list(validator.iter_errors(misspelt)) != []


@pytest.mark.parametrize("name", GIVEN)
def test_a_value_that_a_site_must_give_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        interpolated({k: v for k, v in GIVEN.items() if k != name})


def test_each_container_is_closed_and_watched(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert "/tmp" in service["tmpfs"], name  # noqa: S108 - in the container
        assert not {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(service), name
        assert service.get("user") not in {"root", "0"}, name
    without_user = [n for n, s in project["services"].items() if "user" not in s]
    assert without_user == ["service"]
    image = (ROOT / "deploy" / "Containerfile").read_text()
    assert re.search(r"^USER 10001$", image, re.MULTILINE)


def test_only_the_proxy_is_published_and_the_database_is_internal(project: dict[str, Any]) -> None:
    published = {n: s["ports"] for n, s in project["services"].items() if "ports" in s}
    assert published == {"service": ["127.0.0.1:9100:9100"], "proxy": ["443:443"]}
    assert project["services"]["database"]["networks"] == ["back"]
    assert project["networks"]["back"]["internal"] is True


def test_the_image_is_this_version(project: dict[str, Any]) -> None:
    assert project["services"]["service"]["image"] == f"magnesium-cds:{VERSION}"
    build = project["services"]["service"]["build"]
    assert (FILE.parent / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def names(entries: list[Any]) -> list[str]:
    return [entry if isinstance(entry, str) else entry["source"] for entry in entries]


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_files_are_declared_used_and_there(project: dict[str, Any], kind: str) -> None:
    declared = project[kind]
    used = [name for s in project["services"].values() for name in names(s.get(kind, []))]
    assert set(used) == set(declared)
    for name, entry in declared.items():
        path = FILE.parent / entry["file"]
        # The site's own files are ignored by git.
        assert path.is_file() or path.parent == FILE.parent / "local" / "secrets", name
    assert "\n/deploy/local/\n" in (ROOT / ".gitignore").read_text()


def test_secrets_are_in_files_alone(project: dict[str, Any]) -> None:
    for service in project["services"].values():
        for name, value in service.get("environment", {}).items():
            if value.startswith("/run/secrets/"):
                assert name.endswith("_FILE")
                assert Path(value).name in names(service["secrets"])
            else:
                assert not re.search("PASSWORD|KEY|DATABASE_URL|SALT", name), name


def test_the_settings_can_be_used(project: dict[str, Any], tmp_path: Path) -> None:
    environment = dict(project["services"]["service"]["environment"])
    ours = {name for name in environment if name.startswith("CDS_")}
    assert set(environment) - ours <= OTHER_VARIABLES
    assert unknown_variables(environment) == []
    secrets = {"database_url": "postgresql://cds:word@database/cds", "lockout_key": "k" * 32}
    for name, text in secrets.items():
        (tmp_path / name).write_text(text)
    moved = {n: v.replace("/run/secrets", str(tmp_path)) for n, v in environment.items()}
    settings = read_settings(moved, tmp_path / "none")
    assert settings.database_url == secrets["database_url"]
    assert settings.lockout_key == secrets["lockout_key"]
    # The host of the database is the name of its service, and its user and name are those it makes.
    database = project["services"]["database"]["environment"]
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("cds", "cds")


@pytest.mark.server
def test_the_check_of_the_service_tells_whether_it_answers(
    project: dict[str, Any], tmp_path: Path
) -> None:
    (kind, python, option, code) = project["services"]["service"]["healthcheck"]["test"]
    assert (kind, option) == ("CMD", "-c")
    assert python == "/srv/.venv/bin/python"

    def check(port: int) -> int:
        command = [sys.executable, option, code.replace(":8000/", f":{port}/")]
        return subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603

    with serving(tmp_path) as server:
        assert check(server.port) == 0
    assert check(server.port) != 0
