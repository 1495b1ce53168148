"""Dates of every FHIR precision give an answer: whole charts cut to the month and to the year (U-8)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import http
from ..support.fhir import SERVICES

DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:T.*)?")
LENGTHS = {"year": 4, "month": 7, "day": 10}


def cut(value: Any, length: int) -> Any:
    """The same JSON with its dates cut."""
    match value:
        case dict():
            return {name: cut(member, length) for name, member in value.items()}
        case list():
            return [cut(item, length) for item in value]
        case str() if DATE.fullmatch(value):
            return value[:length]
    return value


@pytest.mark.slow
@pytest.mark.parametrize("precision", LENGTHS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_chart_whose_dates_are_cut_is_answered(
    client: FlaskClient, service: str, precision: str
) -> None:
    for patient in client.get("/sandbox/patients").get_json():
        response = client.get(f"/sandbox/requests/{patient['id']}/{service}")
        if response.status_code != 200:
            continue  # a patient without an order
        body = response.get_json()
        body["prefetch"] = cut(body["prefetch"], LENGTHS[precision])
        assert http.call(client, service, body).status_code == 200, patient["id"]
        http.explain(client, service, body)


@pytest.mark.parametrize("key", ["conditions", "kidneyLabs", "magnesiumLabs", "medicationRequests"])
def test_a_chart_some_of_whose_dates_are_cut_is_answered(client: FlaskClient, key: str) -> None:
    for patient in client.get("/sandbox/patients").get_json():
        body = client.get(f"/sandbox/requests/{patient['id']}/{SERVICES[0]}").get_json()
        body["prefetch"][key] = cut(body["prefetch"][key], LENGTHS["year"])
        assert http.call(client, SERVICES[0], body).status_code == 200, (patient["id"], key)
