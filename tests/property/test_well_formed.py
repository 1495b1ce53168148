"""What the quick test of a call lets pass, and what the thorough one does: the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.hooks.registry import HOOKS
from cds_service.hooks.schema import passing, validator_for

pytestmark = pytest.mark.slow

TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "Practitioner/1",
        "Patient/1",
        "1",
        "Patient/",
        "1/ ",
        "1\n",
        "\u2003",
        "\ud800",
    ]
)
SCALARS = st.sampled_from([None, True, False, 0, 1, 300, Decimal("1.5"), [], {}, ["x"], {"a": 1}])
ANYTHING = SCALARS | TEXTS
ENTRIES = st.lists(
    st.fixed_dictionaries({}, optional={"resource": ANYTHING, "fullUrl": TEXTS}) | ANYTHING,
    max_size=2,
)
ORDERS = st.fixed_dictionaries(
    {}, optional={"resourceType": st.just("Bundle") | ANYTHING, "entry": ENTRIES | ANYTHING}
)
CONTEXT = st.fixed_dictionaries(
    {"userId": st.just("Practitioner/1") | ANYTHING, "patientId": st.just("1") | ANYTHING},
    optional={
        "encounterId": ANYTHING,
        "selections": st.lists(ANYTHING, max_size=2) | ANYTHING,
        "draftOrders": ORDERS | ANYTHING,
        "medications": ORDERS | ANYTHING,
    },
)
AUTHORIZATION = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("access_token", "token_type", "expires_in", "scope", "subject", "patient"), ANYTHING
    ),
)


def envelopes(hook: str) -> st.SearchStrategy[Any]:
    """Calls that are right in most members and anything at all in some."""
    return st.fixed_dictionaries(
        {"hook": st.just(hook)},
        optional={
            "hookInstance": st.just("d1577c69-dfbe-44ad-ba6d-3e05e953b2ea") | ANYTHING,
            "context": CONTEXT | ANYTHING,
            "prefetch": st.just({}) | ANYTHING,
            "fhirServer": TEXTS | ANYTHING,
            "fhirAuthorization": AUTHORIZATION | ANYTHING,
            "other": ANYTHING,
        },
    ) | st.fixed_dictionaries({"hook": ANYTHING})


@pytest.mark.parametrize("hook", HOOKS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_passes_has_no_fault_and_what_has_none_passes(hook: str, data: st.DataObject) -> None:
    envelope = data.draw(envelopes(hook))
    assert passing(hook)(envelope) == validator_for(hook).is_valid(envelope)


@pytest.mark.parametrize("hook", HOOKS)
def test_an_ordinary_call_passes_and_one_without_a_patient_does_not(hook: str) -> None:
    orders = {"resourceType": "Bundle", "entry": [{"resource": {"dose": Decimal(1)}}]}
    context = {
        "userId": "Practitioner/1",
        "patientId": "1",
        "encounterId": "1",
        "selections": ["MedicationRequest/1"],
        "draftOrders": orders,
        "medications": orders,
    }
    call = {"hook": hook, "hookInstance": "x", "context": context, "prefetch": {}}
    assert passing(hook)(call)
    del context["patientId"]
    assert not passing(hook)(call)
