"""The reasons that the service gives, as codes with values. Their sentences are in the knowledge.

Code that finds something returns a `Reason`. It is put into words only when a card, `/explain` or a
message shows it, because most reasons are never shown. The sentence of each code is in the section
`reasons` of `wording.json`, with one place for each name that is listed here. If the two differ, the
service does not start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec


class Reason(msgspec.Struct, frozen=True, gc=False):
    """A sentence, or a part of one: its code, and the values of its places in their order."""

    code: str
    values: tuple[Value, ...] = ()


Said = str | Reason
"""Words of the chart and codes, which are shown as they are, or a reason, which has a sentence."""

Value = Said | int | tuple[Said, ...]
"""What fills a place; several are listed."""

PLACES: Final[dict[str, tuple[str, ...]]] = {}
"""The names of the places of each code."""


class _Template:
    """Makes reasons of one code. The values are given in the order of the places."""

    def __init__(self, code: str, *places: str) -> None:
        PLACES[code] = places
        self.code = code

    def __call__(self, *values: Value) -> Reason:
        return Reason(self.code, values)


def _fixed(code: str) -> Reason:
    PLACES[code] = ()
    return Reason(code)


def combined(found: Iterable[Reason]) -> Reason:
    """Several reasons as one."""
    each = tuple(found)
    return each[0] if len(each) == 1 else several(each)


# ------------------------------------------------------------------------ several reasons as one

several = _Template("several", "reasons")
"""Several reasons, separated by semicolons."""
all_of = _Template("all-of", "items")
"""A list in words: "a, b and c"."""
listed = _Template("listed", "items")
"""A list, separated by commas."""
of_key = _Template("of-key", "key", "why")
"""Why a prefetch key is not known, with the key."""
with_failure = _Template("with-failure", "why", "failure")
"""Why something is missing, and why it could not be fetched."""
either = _Template("either", "one", "other")

# ---------------------------------------------------------------------------- elements of FHIR

NOT_A_STRING = _fixed("not-a-string")
NOT_A_BOOLEAN = _fixed("not-a-boolean")
NOT_AN_INTEGER = _fixed("not-an-integer")
NOT_A_NUMBER = _fixed("not-a-number")
NOT_AN_OBJECT = _fixed("not-an-object")
NOT_A_LIST = _fixed("not-a-list")
NOT_JSON = _fixed("not-json")
NOT_A_DATE = _fixed("not-a-date")
IS_NULL = _fixed("is-null")
IS_MISSING = _fixed("is-missing")
NOT_KNOWN = _fixed("not-known")
NO_FHIR_CODE = _fixed("no-fhir-code")
SAYS_NO_FHIR_CODE = _fixed("says-no-fhir-code")
MISSING_OR_NO_FHIR_CODE = _fixed("missing-or-no-fhir-code")
NO_RESULT_CODE = _fixed("no-result-code")
HOLDS_NOTHING_DEFINED = _fixed("holds-nothing-defined")
HOLDS_NOTHING_READ = _fixed("holds-nothing-read")
too_long = _Template("too-long", "longest")

# ---------------------------------------------------------------------- values of prefetch keys

NOT_SENT = _fixed("not-sent")
ANSWERED_WITH_OUTCOME = _fixed("answered-with-outcome")
NOT_READABLE_JSON = _fixed("not-readable-json")
ENTRIES_NOT_READABLE = _fixed("entries-not-readable")
ONLY_MALFORMED_ENTRIES = _fixed("only-malformed-entries")
NO_READABLE_RESOURCE = _fixed("no-readable-resource")
NO_RESOURCE_OF_R4 = _fixed("no-resource-of-r4")
IN_PART = _fixed("in-part")
ELEMENTS_NOT_READABLE = _fixed("elements-not-readable")
OTHER_PATIENT = _fixed("other-patient")
neither_bundle_nor = _Template("neither-bundle-nor", "kind")
holds_no = _Template("holds-no", "kind")
answered_in_part = _Template("answered-in-part", "codes")
under_other_key = _Template("under-other-key", "kind")
under_unasked_key = _Template("under-unasked-key", "key")
has_lost = _Template("has-lost", "what")
has_lost_both = _Template("has-lost-both", "entries", "elements")
malformed_entry = _Template("malformed-entry", "count")
malformed_entries = _Template("malformed-entries", "count")
unread_element = _Template("unread-element", "count")
unread_elements = _Template("unread-elements", "count")

# ---------------------------------------------------------------------------- the FHIR server

SERVER_NOT_NAMED = _fixed("server-not-named")
SERVER_NOT_LISTED = _fixed("server-not-listed")
SERVER_NO_TOKEN = _fixed("server-no-token")
SERVER_BAD_TOKEN = _fixed("server-bad-token")
SERVER_NOT_ASKABLE = _fixed("server-not-askable")
SERVER_TIMEOUT = _fixed("server-timeout")
SERVER_NAME_UNKNOWN = _fixed("server-name-unknown")
SERVER_ADDRESS_REFUSED = _fixed("server-address-refused")
SERVER_NOT_REACHED = _fixed("server-not-reached")
SERVER_NOT_SAFE = _fixed("server-not-safe")
SERVER_BROKE_OFF = _fixed("server-broke-off")
SERVER_REDIRECT = _fixed("server-redirect")
SERVER_NOT_JSON = _fixed("server-not-json")
SERVER_TOO_LARGE = _fixed("server-too-large")
SERVER_UNREADABLE = _fixed("server-unreadable")
SERVER_OUTCOME = _fixed("server-outcome")
SERVER_FEWER = _fixed("server-fewer")
SERVER_UNCLEAR = _fixed("server-unclear")
SERVER_LOOP = _fixed("server-loop")
SERVER_PAGES = _fixed("server-pages")
SERVER_ELSEWHERE = _fixed("server-elsewhere")
SERVER_MEDICATIONS = _fixed("server-medications")
server_status = _Template("server-status", "status")

# ------------------------------------------------------------------- resources of any kind

NO_CODE = _fixed("no-code")
NO_CODE_GIVEN = _fixed("no-code-given")
NO_SYSTEM = _fixed("no-system")
NO_CODE_NO_TEXT = _fixed("no-code-no-text")
TEXT_NEVER_COUNTS = _fixed("text-never-counts")
STATUS_NOT_READABLE = _fixed("status-not-readable")
OF_ANOTHER_PATIENT = _fixed("of-another-patient")
code_not_read = _Template("code-not-read", "systems")
no_code_read = _Template("no-code-read", "systems")
has_status = _Template("has-status", "status")
"""A status of FHIR, as "is resolved"."""
status_is = _Template("status-is", "status")
resources = _Template("resources", "count")

# ------------------------------------------------------------------------------ the patient

BORN_LATER = _fixed("born-later")
NO_BIRTH_DATE = _fixed("no-birth-date")
NO_USABLE_BIRTH_DATE = _fixed("no-usable-birth-date")
HAS_DIED = _fixed("has-died")
age_open = _Template("age-open", "age")

# ------------------------------------------------------------------------------- conditions

HAS_ABATED = _fixed("has-abated")
PERHAPS_ABATED = _fixed("perhaps-abated")
NOT_LISTED_NOR_RECENT = _fixed("not-listed-nor-recent")
CERTAINTY_NOT_READABLE = _fixed("certainty-not-readable")
PREGNANCY_BEGAN_EARLIER = _fixed("pregnancy-began-earlier")
AKI_NOT_OPEN = _fixed("aki-not-open")
KIDNEY_CONDITION_UNREAD = _fixed("kidney-condition-unread")
diagnosis_unread = _Template("diagnosis-unread", "what")
not_counted_as = _Template("not-counted-as", "fact")
paced = _Template("paced", "resource")

# ------------------------------------------------- allergies, procedures, pregnancy status

SUBSTANCE_NOT_NAMED = _fixed("substance-not-named")
NO_PREGNANCY_ANSWER = _fixed("no-pregnancy-answer")
performed_earlier = _Template("performed-earlier", "days")

# ------------------------------------------------------------------------------ medications

MEDICATION_NOT_SENT = _fixed("medication-not-sent")
MEDICATION_UNNAMED = _fixed("medication-unnamed")
CODE_AND_WORDS_DIFFER = _fixed("code-and-words-differ")
DO_NOT_PERFORM = _fixed("do-not-perform")
PERIOD_OVER = _fixed("period-over")
PERIOD_NOT_BEGUN = _fixed("period-not-begun")
STOPPED_UNIDENTIFIED = _fixed("stopped-unidentified")
OFFSET_BY_COMBINATION = _fixed("offset-by-combination")
AS_NEEDED = _fixed("as-needed")
COURSE_OVER = _fixed("course-over")
ORDERED_TOO_LONG_AGO = _fixed("ordered-too-long-ago")
DATES_LEAVE_OPEN = _fixed("dates-leave-open")
NOT_TAKEN_LONG_ENOUGH = _fixed("not-taken-long-enough")
NOT_COUNTED_AS_GIVEN = _fixed("not-counted-as-given")
not_counted_by_route = _Template("not-counted-by-route", "route")
intent_is = _Template("intent-is", "intent")
counts_as_order = _Template("counts-as-order", "why")
may_be_taken = _Template("may-be-taken", "why")
ordered_earlier = _Template("ordered-earlier", "days")
status_unclear = _Template("status-unclear", "medicine")
dates_unclear = _Template("dates-unclear", "medicine")

# -------------------------------------------------------------------------------- the dose

NOT_MAGNESIUM = _fixed("not-magnesium")
DOSAGE_NOT_READABLE = _fixed("dosage-not-readable")
DOSE_NOT_STATED = _fixed("dose-not-stated")
dose_not_read = _Template("dose-not-read", "why")

# ---------------------------------------------------------------------------------- results

NO_NUMBER = _fixed("no-number")
NO_READABLE_NUMBER = _fixed("no-readable-number")
TEXT_NOT_A_NUMBER = _fixed("text-not-a-number")
NO_UNIT = _fixed("no-unit")
NOT_DONE = _fixed("not-done")
NO_VALUE = _fixed("no-value")
NO_RESULT_STATUS = _fixed("no-result-status")
UNKNOWN_MODIFIER = _fixed("unknown-modifier")
NOT_OF_KIDNEY_FUNCTION = _fixed("not-of-kidney-function")
NOT_PLAUSIBLE = _fixed("not-plausible")
OPEN_COMPARATOR = _fixed("open-comparator")
NO_EGFR_UNIT = _fixed("no-egfr-unit")
NO_PLAUSIBLE_CREATININE = _fixed("no-plausible-creatinine")
NO_SEX_OR_AGE = _fixed("no-sex-or-age")
COMPUTED_AS_FOR_A_WOMAN = _fixed("computed-as-for-a-woman")
UNUSABLE_RESULT = _fixed("unusable-result")
cannot_be_used = _Template("cannot-be-used", "why")

# ----------------------------------------------------------------------------- the kidney class

DIALYSIS = _fixed("dialysis")
ACUTE_KIDNEY_INJURY = _fixed("acute-kidney-injury")
END_STAGE = _fixed("end-stage")
CKD_OF_UNKNOWN_STAGE = _fixed("ckd-of-unknown-stage")
ckd_stage = _Template("ckd-stage", "stage")
egfr_is = _Template("egfr-is", "egfr")
only_creatinine = _Template("only-creatinine", "age")
NO_KIDNEY_RESULT = _fixed("no-kidney-result")
newer_result = _Template("newer-result", "why")
newest_result = _Template("newest-result", "why")
egfr_dated_later = _Template("egfr-dated-later", "egfr")
egfr_not_recent = _Template("egfr-not-recent", "egfr", "days")
egfr_not_recent_at_risk = _Template("egfr-not-recent-at-risk", "egfr", "days", "risk")
risk_unknown = _Template("risk-unknown", "risk", "why")
renal_risk = _Template("renal-risk", "feature")
FEATURE_DIABETES = _fixed("feature-diabetes")
feature_age = _Template("feature-age", "age")
FEATURE_HEART_FAILURE = _fixed("feature-heart-failure")
FEATURE_KIDNEY_DISEASE = _fixed("feature-kidney-disease")
FEATURE_DIURETIC = _fixed("feature-diuretic")
FEATURE_CALCINEURIN_INHIBITOR = _fixed("feature-calcineurin-inhibitor")

# --------------------------------------------------------------------------- serum magnesium

MAGNESIUM_NOT_KNOWN = _fixed("magnesium-not-known")
NEWER_MAGNESIUM_UNUSABLE = _fixed("newer-magnesium-unusable")
NO_USABLE_RESULT = _fixed("no-usable-result")
results_too_old = _Template("results-too-old", "days")
low_result_perhaps_old = _Template("low-result-perhaps-old", "days")

# ------------------------------------------------------------------------------ draft orders

NO_ORDER = _fixed("no-order")
OTHER_FORM = _fixed("other-form")
NO_MEDICATION = _fixed("no-medication")

# ------------------------------------------------------------------------- rules in `/explain`

MENSTRUAL_PATTERN = _fixed("menstrual-pattern")
NO_RISK_FACTOR = _fixed("no-risk-factor")
ALREADY_ORDERED = _fixed("already-ordered")
NOT_ACTED_ON = _fixed("not-acted-on")
CHECKED_BESIDE_MAGNESIUM = _fixed("checked-beside-magnesium")
not_shown = _Template("not-shown", "count")
most_serious_shown = _Template("most-serious-shown", "count")
not_recommended = _Template("not-recommended", "orders")
used_for = _Template("used-for", "diseases")
