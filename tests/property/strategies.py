"""Charts and orders, drawn from pools of what real charts hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from ..support import fhir
from ..support.fhir import Resource

Chart = dict[str, list[Resource]]

MIGRAINES = ("G43.009", "G43.109", "G43.709", "G43.829")
ALCOHOL = "F10.20"
RISKS = ("E11.9", ALCOHOL, "I50.9", "I48.91", "I25.10", "K50.90", "E83.42")
BLOCKS = ("I44.2", "G70.00", "K56.7", "E83.41", "Z94.0")
HARMLESS = ("J00", "I10", "M54.5", "K58.0", "I44.0", "R00.1", "Z95.0")
SEVERE_KIDNEY = ("N18.4", "N18.6", "Z99.2")
MILD_KIDNEY = ("N18.1", "N18.2")
MIDDLING_KIDNEY = ("N18.30", "N18.9")

DEPLETING = ("313988", "310798", "197499", "198051", "198377")
SPARING = ("313096", "310812")
INTERACTING = ("309309", "966221", "310431", "1796081", "310325")
UNRELATED = ("723", "313782", "308136")
MAGNESIUM = ("198741", "1313985", "253017", "307747")
TRIGGERS = ("199888", "2120193", "197499", "313988", "313161", "314076", "313096")

_CODES_OF_OTHERS = (*MIGRAINES, *RISKS, *BLOCKS, *SEVERE_KIDNEY)


@dataclass(frozen=True)
class Case:
    """A patient and what is known of them."""

    age: int
    sex: str
    conditions: tuple[Resource, ...] = ()
    medicines: tuple[Resource, ...] = ()
    allergies: tuple[Resource, ...] = ()
    kidney: tuple[Resource, ...] = ()
    magnesium: tuple[Resource, ...] = ()
    procedures: tuple[Resource, ...] = ()
    drafts: tuple[Resource, ...] = field(default=())

    def chart(self) -> Chart:
        return {
            "conditions": list(self.conditions),
            "medicationRequests": list(self.medicines),
            "allergies": list(self.allergies),
            "kidneyLabs": list(self.kidney),
            "magnesiumLabs": list(self.magnesium),
            "kidneyProcedures": list(self.procedures),
        }

    def body(self, service: str) -> Resource:
        patient = fhir.patient(age=self.age, sex=self.sex)
        drafts = None if fhir.hook_of(service) == "patient-view" else list(self.drafts)
        return fhir.hook_request(service, self.chart(), patient, drafts)

    def having(self, **changes: Any) -> Case:
        return replace(self, **changes)


def egfr(value: float, days_ago: int = 20, **details: Any) -> Resource:
    return fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, days_ago, **details)


def creatinine(value: float, days_ago: int = 20) -> Resource:
    return fhir.observation(fhir.CREATININE, value, "mg/dL", days_ago)


def magnesium_order(amount: float, id: str = "magnesium-order") -> Resource:
    text = f"{amount} mg elemental magnesium once daily"
    return fhir.draft_order(
        "476818", text="Magnesium glycinate", dosage=fhir.dosage(amount, text=text), id=id
    )


def _some(codes: tuple[str, ...], most: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(codes), unique=True, max_size=most)


def _medicine(code: str) -> Resource:
    return fhir.medication_request(code, dosage=fhir.dosage(1, "tablet"), authored_days=200)


EGFR_VALUES = st.integers(5, 130)
DAYS = st.sampled_from([3, 60, 200, 300, 500])


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    conditions: tuple[str, ...] = (*RISKS, *BLOCKS, *HARMLESS, *SEVERE_KIDNEY, *MILD_KIDNEY),
    medicines: tuple[str, ...] = (
        *(*DEPLETING, *SPARING, *INTERACTING),
        *(*UNRELATED, *MAGNESIUM),
    ),
    kidney: bool = True,
    ages: tuple[int, int] = (16, 80),
) -> Case:
    """Mostly people with migraine and a risk factor, else nothing would ever be said."""
    codes = [
        *draw(_some(MIGRAINES, 1) | st.just(["G43.009"])),
        *draw(_some(RISKS, 1) | st.just(["E11.9"])),
        *draw(_some(conditions)),
    ]
    labs = draw(st.lists(st.tuples(EGFR_VALUES, DAYS), max_size=3, unique_by=lambda lab: lab[1]))
    low_or_high = draw(st.sampled_from([None, None, 1.0, 1.5, 2.0, 3.0]))
    return Case(
        age=draw(st.integers(*ages)),
        sex=draw(st.sampled_from(["female", "male"])),
        conditions=tuple(fhir.condition(code) for code in dict.fromkeys(codes)),
        medicines=tuple(_medicine(code) for code in draw(_some(medicines))),
        allergies=tuple(fhir.allergy(code) for code in draw(_some(("7980", "6582"), 1))),
        kidney=tuple(egfr(value, days) for value, days in labs) if kidney else (),
        magnesium=(
            () if low_or_high is None else (fhir.observation("19123-9", low_or_high, "mg/dL"),)
        ),
        procedures=tuple(
            fhir.procedure("265764009", days) for days in draw(st.sampled_from([[], [], [30]]))
        ),
        drafts=tuple(draw(st.lists(draft_orders(), max_size=3, unique_by=lambda o: o["id"]))),
    )


@st.composite
def draft_orders(draw: st.DrawFn) -> Resource:
    code = draw(st.sampled_from([*TRIGGERS, *INTERACTING, *UNRELATED, "magnesium", "253017"]))
    if code == "magnesium":
        return magnesium_order(draw(st.sampled_from([100, 200, 400, 600])))
    return fhir.draft_order(code, dosage=fhir.dosage(1, "tablet"))


# --------------------------------------- resources that must be as good as absent


def _refuted(code: str) -> tuple[str, Resource]:
    return "conditions", fhir.condition(code, verification="refuted", id=f"refuted-{code.lower()}")


def _in_error(code: str) -> tuple[str, Resource]:
    mistake = fhir.condition(code, verification="entered-in-error", id=f"error-{code.lower()}")
    return "conditions", mistake


def _of_another(code: str) -> tuple[str, Resource]:
    other = fhir.condition(code, patient_id="somebody-else", id=f"other-{code.lower()}")
    return "conditions", other


_MAKERS: tuple[Callable[[str], tuple[str, Resource]], ...] = (_refuted, _in_error, _of_another)

VOID_OTHERS: tuple[tuple[str, Resource], ...] = (
    ("kidneyLabs", egfr(12, 1, status="entered-in-error")),
    ("kidneyLabs", egfr(12, 1, patient_id="somebody-else", id="others-egfr")),
    ("kidneyLabs", egfr(120, 1, patient_id="somebody-else", id="others-good-egfr")),
    ("magnesiumLabs", fhir.observation("19123-9", 5, "mg/dL", 1, status="entered-in-error")),
    (
        "magnesiumLabs",
        fhir.observation("19123-9", 0.9, "mg/dL", 1, patient_id="somebody-else", id="others-mg"),
    ),
    ("medicationRequests", fhir.medication_request("198741", status="entered-in-error")),
    (
        "medicationRequests",
        fhir.medication_request("198741", patient_id="somebody-else", id="others-magnesium"),
    ),
    ("medicationStatements", fhir.medication_statement("198741", status="entered-in-error")),
    ("allergies", fhir.allergy("6582", verification="refuted", id="refuted-allergy")),
    ("allergies", fhir.allergy("6582", verification="entered-in-error", id="error-allergy")),
    ("allergies", fhir.allergy("6582", patient_id="somebody-else", id="others-allergy")),
    ("kidneyProcedures", fhir.procedure("265764009", 5, status="entered-in-error")),
    (
        "kidneyProcedures",
        fhir.procedure("265764009", 6, patient_id="somebody-else", id="others-dialysis"),
    ),
)


@st.composite
def void_resources(draw: st.DrawFn) -> tuple[str, Resource]:
    """A prefetch key and a resource under it that must not count."""
    maker = draw(st.sampled_from(_MAKERS))
    code = draw(st.sampled_from(_CODES_OF_OTHERS))
    return draw(st.sampled_from(VOID_OTHERS) | st.just(maker(code)))
