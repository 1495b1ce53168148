"""The detail: its sections, what each says, and that nothing is said without its value."""

from __future__ import annotations

import re

import msgspec
import pytest
from markdown_it import MarkdownIt

from cards.detail import detail
from cards.naming import evidence_text
from cards.phrases import Phrases, capital
from cds_service import reasons
from cds_service.chart.evidence import Evidence, Fact, FactState
from cds_service.reasoning.decision import (
    CardDecision,
    Kidney,
    KidneyClass,
    MagnesiumState,
    SerumMagnesium,
)
from tests.support.decisions import (
    CREATININE,
    DIABETES,
    ICD,
    MIGRAINE,
    NO_KIDNEY_DATA,
    caution,
    egfr,
    gap,
    kidney,
    knowledge,
    labs,
    magnesium,
    one_of,
    order,
    plan,
    safety_card,
    suggestion_card,
)
from tests.support.tables import each_row

CARDS = sorted(knowledge().cards)
SUGGESTING = [c for c in CARDS if c.startswith(("mg-suggest", "mg-with", "mg-check"))]
LIMIT = 1300
SUGGESTION_IN_ORDER = (
    "**Do**",
    "12-week trial: 100 mg twice daily with meals for 14 days, then 200 mg twice daily",
    "**Check first",
    "Ask about magnesium bought without prescription",
    "**Not known:** Allergies (was not sent)",
    "**Keep apart:** Levothyroxine: 4 h apart from magnesium",
    "**Tell the patient:** ",
    "**Kidney:** Normal for this purpose; eGFR 92 mL/min/1.73 m², 2026-10-23",
    "**Why:** Migraine without aura, 2026-01-10; Type 2 diabetes mellitus, 2020-05-01",
)
SAFETY_IN_ORDER = (
    "**Finding",
    "Order: magnesium oxide 400 mg tablet",
    "**Do",
    "At most 200 mg/day",
    "**Kidney:** Moderately reduced",
    "**Not known:** Allergies (was not sent)",
)


def said(card: CardDecision) -> str:
    return detail(card, knowledge())


def section(text: str, name: str) -> str:
    """What stands under one lead; "" if the lead is not there."""
    parts = re.split(r"^\*\*([^*]+?):?\*\*", text, flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return named.get(name, "").strip()


def kidney_said(known: Kidney, *missing: str) -> str:
    card = suggestion_card(kidney=known, gaps=tuple(gap(key) for key in missing))
    return section(said(card), "Kidney")


# ------------------------------------------------------------- the whole


@each_row("card", CARDS)
def test_every_card_says_what_to_do(card: str) -> None:
    text = said(one_of(card))

    assert section(text, "Do")
    assert "{" not in text
    assert "\n- \n" not in text
    assert MarkdownIt().render(text)


@each_row("card", CARDS)
def test_a_card_without_values_says_nothing_empty(card: str) -> None:
    text = said(CardDecision(card, "info"))

    assert "{" not in text
    assert "- \n" not in text
    assert ": \n" not in text
    assert not text.endswith("- ")


def test_the_sections_of_a_suggestion_stand_in_order() -> None:
    apart = caution("C5", drug="levothyroxine", advice="4 h apart from magnesium; TSH in 6-8 weeks")
    text = said(suggestion_card(cautions=(apart,), gaps=(gap(),)))

    places = [text.index(part) for part in SUGGESTION_IN_ORDER]
    assert places == sorted(places)


def test_a_safety_card_says_the_finding_before_the_action() -> None:
    text = said(safety_card("rx-mg-renal-caution", values={"dose": "400"}, gaps=(gap(),)))

    places = [text.index(part) for part in SAFETY_IN_ORDER]
    assert places == sorted(places)


@each_row("card", CARDS)
def test_no_card_has_a_link_or_names_a_reference(card: str) -> None:
    text = said(one_of(card))

    assert "http" not in text
    assert "](" not in text
    assert not re.search(r"\bR\d+\b", text)


@each_row("card", CARDS)
@each_row(
    "words",
    [
        *("gentle", "safe with normal", "better tolerated", "well tolerated", "well absorbed"),
        *("serotonin", "calcium-channel blocker)", "no renal-risk feature", "nerve, muscle"),
    ],
)
def test_no_card_says_what_no_trial_bears(card: str, words: str) -> None:
    texts = [said(one_of(card)), said(suggestion_card(card, offers=(labs(),)))]
    assert not any(words in text.lower() for text in texts)


@pytest.mark.parametrize("card", [c for c in CARDS if c not in SUGGESTING])
def test_a_safety_card_is_short(card: str) -> None:
    text = said(one_of(card))

    assert len(text) < 700
    assert "Evidence" not in text


# --------------------------------------------------------------- its length


def many_cautions(number: int) -> tuple[object, ...]:
    return tuple(caution("C5", drug=f"drug {n}", advice=f"{n} h apart") for n in range(number))


def test_a_usual_suggestion_has_all_its_sections_within_the_limit() -> None:
    text = said(suggestion_card())

    assert len(text) <= LIMIT
    for name in ("Do", "Check first", "Tell the patient", "Kidney", "Why", "Evidence"):
        assert section(text, name), name


def test_evidence_goes_first_then_what_to_tell_the_patient_then_why() -> None:
    left = []
    for number in range(40):
        text = said(suggestion_card(cautions=many_cautions(number)))
        names = [n for n in ("Evidence", "Tell the patient", "Why") if section(text, n)]
        if names not in left:
            left.append(names)
    assert left == [
        ["Evidence", "Tell the patient", "Why"],
        ["Tell the patient", "Why"],
        ["Why"],
        [],
    ]


@pytest.mark.parametrize("number", [0, 5, 10, 20, 40])
def test_do_kidney_unknown_and_interactions_are_never_cut(number: int) -> None:
    keys = ("conditions", "allergies", "medicationRequests", "magnesiumLabs", "pregnancyStatus")
    card = suggestion_card(cautions=many_cautions(number), gaps=tuple(map(gap, keys)))
    text = said(card)

    assert "12-week trial" in section(text, "Do")
    assert "eGFR 92" in section(text, "Kidney")
    assert section(text, "Not known").count("was not sent") == len(keys)
    assert section(text, "Keep apart").count("h apart") == number
    assert number > 10 or len(text) <= LIMIT


def test_a_detail_of_just_the_limit_is_not_cut() -> None:
    length = len(said(suggestion_card()))
    drug = "x" * (LIMIT - length - len("\n\n**Keep apart:** : 4 h apart"))
    exact = suggestion_card(cautions=(caution("C5", drug=drug, advice="4 h apart"),))
    longer = suggestion_card(cautions=(caution("C5", drug=f"{drug}x", advice="4 h apart"),))

    assert len(said(exact)) == LIMIT
    assert section(said(exact), "Evidence")
    assert not section(said(longer), "Evidence")


# ------------------------------------------------------------------ why


def test_facts_are_said_by_the_words_of_the_chart_with_their_date() -> None:
    assert section(said(suggestion_card()), "Why") == (
        "Migraine without aura, 2026-01-10; Type 2 diabetes mellitus, 2020-05-01"
    )


def test_only_what_the_chart_shows_is_a_reason() -> None:
    absent = Fact("RF3", FactState.ABSENT)
    unknown = Fact("pregnancy", FactState.UNKNOWN, why="was not sent")
    text = said(suggestion_card(because=(absent, MIGRAINE, unknown)))

    assert section(text, "Why") == "Migraine without aura, 2026-01-10"


def test_a_fact_without_evidence_is_named() -> None:
    new = Fact("some_new_fact", FactState.PRESENT)

    assert "- Some new fact" in said(safety_card("rx-mg-age", because=(new,)))
    assert section(said(suggestion_card(because=(new,))), "Why") == "Some new fact"


def test_evidence_of_two_facts_is_said_once() -> None:
    found = Evidence("Condition/m", ICD, "G43.829", "Menstrual migraine", "2026-01-10")
    facts = tuple(Fact(i, FactState.PRESENT, (found,)) for i in ("migraine", "menstrual_migraine"))

    assert section(said(suggestion_card(because=facts)), "Why") == "Menstrual migraine, 2026-01-10"


def test_a_diagnosis_is_said_once_however_often_it_is_coded() -> None:
    snomed = Evidence("Condition/2", "http://snomed.info/sct", "44054006", "Diabetes type 2")
    twice = Fact("RF1", FactState.PRESENT, (*DIABETES.evidence, snomed))
    text = said(suggestion_card(because=(MIGRAINE, twice)))

    assert text.lower().count("diabetes") == 1


def test_a_drug_with_two_orders_is_said_once_and_two_drugs_are_two() -> None:
    orders = [
        Evidence("MedicationRequest/1", display="Magnesium oxide"),
        Evidence("MedicationStatement/2", display="magnesium oxide"),
        Evidence("MedicationRequest/3", display="magnesium citrate"),
    ]
    taken = Fact("current_magnesium", FactState.PRESENT, tuple(orders))
    text = section(said(safety_card("mg-hazard-renal", because=(taken,), order=None)), "Finding")

    assert text == "- On the list: Magnesium oxide\n- On the list: magnesium citrate"


def test_what_is_ordered_and_taken_in_the_same_words_is_said_of_both() -> None:
    order = Fact(
        "ordered_magnesium",
        FactState.PRESENT,
        (Evidence("MedicationRequest/order-1", display="magnesium oxide", date="2026-11-28"),),
    )
    taken = Fact(
        "current_magnesium",
        FactState.PRESENT,
        (Evidence("MedicationRequest/2", display="magnesium oxide", date="2026-08-20"),),
    )
    text = section(said(safety_card("rx-mg-duplicate", because=(order, taken))), "Finding")

    assert text == (
        "- Order: magnesium oxide, 2026-11-28\n- On the list: magnesium oxide, 2026-08-20"
    )


def test_the_kidney_is_said_once() -> None:
    fact = Fact("kidney", FactState.PRESENT, (egfr("48"),))
    text = said(safety_card("rx-mg-renal-caution", because=(fact,)))

    assert text.count("48 mL/min/1.73 m²") == 1
    shown = said(safety_card("rx-mg-nmj", because=(fact,), kidney=kidney("92")))
    assert "Kidney: eGFR, 48 mL/min/1.73 m²" in shown


@pytest.mark.parametrize(("findings", "more"), [(4, 0), (5, 1), (6, 2)])
def test_many_findings_of_one_kind_are_counted(findings: int, more: int) -> None:
    many = tuple(
        Evidence(f"MedicationRequest/{n}", display=f"Magnesium {n}") for n in range(findings)
    )
    card = safety_card("mg-hazard-renal", because=(Fact("x", FactState.PRESENT, many),))
    text = said(card)

    assert "Magnesium 3" in text
    assert "Magnesium 4" not in text
    assert text.count(" more\n") == (1 if more else 0)
    assert (f"- X: and {more} more" in text) == bool(more)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Evidence("Condition/1", ICD, "E11.9"), "E11.9"),
        (Evidence("Condition/1"), "Condition/1"),
        (Evidence("Condition/1", ICD, "E11.9", "Diabetes"), "Diabetes"),
        (
            Evidence("MedicationRequest/1", display="water pill furosemide", matched="text"),
            "water pill furosemide, recognised by its name, not by a code",
        ),
        (
            egfr("48", note="no unit was given: that of the LOINC code"),
            "eGFR, 48 mL/min/1.73 m², 2026-10-23, no unit was given: that of the LOINC code",
        ),
        (
            Evidence("Observation/1", display="Creatinine", value="97", unit="umol/L"),
            "Creatinine, 97 umol/L",
        ),
        (Evidence("Observation/1", display="Score", value="9"), "Score, 9"),
        (Evidence("Patient/1", value="7", unit="a"), "7 years"),
        (Evidence("Patient/1", value="1", unit="a"), "1 year"),
        (Evidence("Patient/1", value="0", unit="a"), "under 1 year"),
        (Evidence("Observation/1", display="Score", value="1"), "Score, 1"),
    ],
)
def test_evidence_in_a_few_words(found: Evidence, text: str) -> None:
    assert evidence_text(found, Phrases(knowledge())) == text


def test_a_diagnosis_names_itself_and_a_bare_code_gets_its_label() -> None:
    bare = Fact("RF1", FactState.PRESENT, (Evidence("Condition/1", ICD, "E11.9"),))

    assert section(said(suggestion_card(because=(bare,))), "Why") == "Diabetes: E11.9"
    assert "- Diabetes: E11.9" in said(safety_card("rx-mg-nmj", because=(bare,)))
    assert "- Type 2 diabetes mellitus, 2020" in said(safety_card("rx-mg-nmj", because=(DIABETES,)))


def test_the_order_is_named_unless_a_fact_names_it() -> None:
    found = Evidence("MedicationRequest/order-1", display="magnesium oxide")
    ordered = Fact("ordered_magnesium", FactState.PRESENT, (found,))

    assert "Order: magnesium oxide 400 mg tablet" in said(safety_card("rx-mg-nmj"))
    assert "Order: magnesium oxide\n" in said(safety_card("rx-mg-nmj", because=(ordered,)))
    assert "400 mg tablet" not in said(safety_card("rx-mg-nmj", because=(ordered,)))
    assert "Order: " in said(safety_card("rx-mg-nmj", order=order(reference="")))
    assert "Finding" not in said(safety_card("rx-mg-nmj", order=order(label="")))
    assert "Finding" not in said(safety_card("rx-mg-nmj", order=None))


def test_the_magnesium_is_said_with_its_meaning_and_once() -> None:
    low = magnesium(MagnesiumState.LOW, "1.5 mg/dL")
    assert low.evidence is not None
    fact = Fact("RF6", FactState.PRESENT, (low.evidence,))
    text = said(suggestion_card(because=(MIGRAINE, fact, DIABETES), magnesium=low))

    assert "Serum magnesium 1.5 mg/dL, 2026-10-01: low" in text
    assert "Low magnesium:" not in text
    assert "Type 2" in text


def test_a_normal_magnesium_is_said_without_a_comment() -> None:
    normal = magnesium(MagnesiumState.NORMAL, "2.0 mg/dL")

    for card in (
        suggestion_card(magnesium=normal),
        safety_card("rx-mg-renal-caution", magnesium=normal),
        suggestion_card("mg-avoid-renal", magnesium=normal),
    ):
        assert re.search(r"Serum magnesium 2.0 mg/dL, 2026-10-01(\n|$)", said(card))


def test_a_normal_magnesium_is_not_said_where_it_does_not_matter() -> None:
    normal = magnesium(MagnesiumState.NORMAL, "2.0 mg/dL")
    low = magnesium(MagnesiumState.LOW, "1.5 mg/dL")
    healthy = kidney("92")

    text = said(safety_card("rx-mg-bowel", magnesium=normal, kidney=healthy))
    assert text == said(safety_card("rx-mg-bowel", kidney=healthy))
    assert "Serum magnesium" in said(safety_card("rx-mg-bowel", magnesium=low, kidney=healthy))


def test_a_diagnosis_stays_where_the_result_beside_it_is_said_with_its_meaning() -> None:
    low = magnesium(MagnesiumState.LOW, "1.5 mg/dL")
    diagnosis = Evidence("Condition/h", ICD, "E83.42", "Hypomagnesemia", "2026-02-01")
    fact = Fact("RF6", FactState.PRESENT, (diagnosis, low.evidence))
    text = said(suggestion_card(because=(MIGRAINE, fact), magnesium=low))

    assert "Hypomagnesemia" in text
    assert text.count("1.5 mg/dL") == 1


def test_the_kidney_as_a_reason_hides_no_other() -> None:
    fact = Fact("kidney", FactState.PRESENT, (egfr("25"),))
    card = safety_card("rx-mg-renal-critical", because=(fact, DIABETES), kidney=kidney("25"))
    assert "Type 2 diabetes mellitus" in said(card)


def test_a_magnesium_without_unit_or_date_says_so() -> None:
    found = magnesium(MagnesiumState.HIGH, "2.9 mg/dL", note="no unit was given")
    undated = magnesium(MagnesiumState.HIGH, "2.9 mg/dL", date="")

    text = said(safety_card("rx-mg-hypermag", magnesium=found))
    assert "2.9 mg/dL, 2026-10-01: high (no unit was given)" in text
    assert "2.9 mg/dL, not dated: high" in said(safety_card("rx-mg-hypermag", magnesium=undated))


@pytest.mark.parametrize("nothing", [None, SerumMagnesium(MagnesiumState.NONE)])
def test_without_a_magnesium_there_is_no_line(nothing: SerumMagnesium | None) -> None:
    assert "Serum magnesium" not in said(safety_card("rx-mg-hypermag", magnesium=nothing))


# ------------------------------------------------------------ what to do


def test_a_dose_comes_with_its_steps_trial_stop_rule_and_limits() -> None:
    text = section(said(suggestion_card()), "Do")

    assert text.split("\n") == [
        "- An option, not in place of a first-line preventive",
        (
            "- 12-week trial: 100 mg twice daily with meals for 14 days, then 200 mg twice daily "
            "(elemental magnesium, as glycinate)"
        ),
        (
            "- Keep a headache diary; stop at 12 weeks unless headache days fall by 50 % or meaningfully; "
            "earlier if diarrhoea stays"
        ),
        "- Creatinine and magnesium again at 12 weeks",
        "- More than 350 mg/day is a supervised choice; never above 500 mg/day",
    ]


def test_without_a_risk_factor_there_is_no_routine_recheck() -> None:
    assert "again at 12 weeks" not in said(suggestion_card(because=(MIGRAINE,)))


def test_the_menstrual_plan_is_an_alternative() -> None:
    text = said(suggestion_card(offers=(plan(), plan("mg_perimenstrual", recommended=False))))

    assert (
        "- Or: 120 mg three times daily from cycle day 15 until menses begin, each cycle. "
        "Suits regular cycles. With irregular cycles use daily dosing" in text
    )


def test_an_alternative_without_a_note_of_its_own_is_just_its_dose() -> None:
    text = said(suggestion_card(offers=(plan("mg_perimenstrual"), plan())))

    assert "- Or: 100 mg twice daily with meals for 14 days, then 200 mg twice daily\n" in text


def test_the_low_dose_has_its_own_limit_and_one_recheck_schedule() -> None:
    recheck = caution("C1", weeks="2", months="3")
    card = suggestion_card(
        "mg-suggest-reduced",
        offers=(labs(), plan("mg_200_reduced")),
        kidney=kidney("40"),
        cautions=(recheck,),
    )
    text = said(card)

    assert "at most 200 mg/day" in section(text, "Do")
    assert "supervised choice" not in text
    assert "again at 12 weeks" not in text
    assert "in 2 weeks, then every 3 months" in section(text, "Kidney")


def test_before_the_tests_are_back_the_low_dose_may_start() -> None:
    card = suggestion_card(
        "mg-check-renal", offers=(labs(), plan("mg_200_reduced")), kidney=NO_KIDNEY_DATA
    )

    assert "The low dose can start after or with the tests" in said(card)
    assert "again at 12 weeks" not in said(card)


@pytest.mark.parametrize("card", ["mg-suggest-reduced", "mg-check-renal", "mg-with-diuretic"])
def test_tests_alone_come_without_a_dose_a_recheck_or_advice_on_taking_it(card: str) -> None:
    recheck = caution("C1", weeks="4", months="3")
    values = {"drug": "furosemide"}
    text = said(suggestion_card(card, offers=(labs(),), values=values, cautions=(recheck,)))

    assert "no dose until kidney function is" in section(text, "Do")
    assert "100 mg" not in text
    assert "4 weeks" not in text
    assert "12-week trial" not in text
    assert not section(text, "Tell the patient")
    assert not section(text, "Check first")


def test_tests_beside_a_dose_say_whether_they_come_first() -> None:
    tests = ("lab_magnesium", "lab_potassium", "lab_creatinine")

    def check(recommended: bool) -> str:
        offers = (labs(*tests, recommended=recommended), plan(recommended=not recommended))
        return section(said(suggestion_card(offers=offers)), "Check first")

    assert "Magnesium, potassium and creatinine before the first dose" in check(True)
    assert "Magnesium, potassium and creatinine together with the dose" in check(False)


def test_with_a_diuretic_the_tests_come_first_and_in_some_weeks() -> None:
    due = msgspec.structs.replace(labs("lab_magnesium"), due_weeks=(4, 8))
    card = suggestion_card(
        "mg-with-diuretic",
        values={"drug": "chlorthalidone"},
        offers=(due, plan(recommended=False)),
    )
    text = said(card)

    assert "Chlorthalidone can lower magnesium" in section(text, "Do")
    assert "in 4 to 8 weeks" in section(text, "Do")
    assert "before the first dose" not in text
    assert "100 mg twice daily" in text


def test_severely_low_magnesium_is_replaced_with_care() -> None:
    text = said(one_of("mg-low-severe"))

    assert "ECG" in text
    assert "potassium, calcium" in text
    assert "lower doses" not in text
    reduced = suggestion_card("mg-low-severe", kidney=kidney("25"), offers=(labs(),))
    assert "replace with lower doses" in said(reduced)


def test_a_dangerous_magnesium_is_urgent_first() -> None:
    dangerous = magnesium(MagnesiumState.CRITICAL_HIGH, "5.2 mg/dL")
    text = said(safety_card("mg-hazard-hypermag", magnesium=dangerous))

    assert section(text, "Do").startswith("- Urgent: ")


def test_a_slightly_high_magnesium_is_repeated_not_held() -> None:
    high = magnesium(MagnesiumState.SLIGHTLY_HIGH, "2.7 mg/dL")
    for card in ("mg-hazard-hypermag", "rx-mg-hypermag"):
        text = said(safety_card(card, indicator="warning", magnesium=high))
        assert "Repeat magnesium" in section(text, "Do")
        assert "2.7 mg/dL, 2026-10-01: slightly high" in text
        assert "Do not add" not in text
        assert "Hold" not in text


def test_an_unknown_age_is_said() -> None:
    text = said(safety_card("rx-mg-age", values={"dose": "200"}))

    assert "No birth date is on file" in text
    assert "Ordered: 200 mg/day elemental" in text
    assert "Upper level for supplements at this age: 110 mg/day" in said(one_of("rx-mg-age"))
    infant = safety_card("rx-mg-age", values={"age": "0", "form": "laxative"})
    assert "Not under 2 years without paediatrics" in said(infant)


def test_lines_without_their_value_are_left_out() -> None:
    text = said(safety_card("rx-mg-dose", values={"dose": "723"}))

    assert "Already taken" not in text
    assert "Total: 723 mg/day elemental, above 500 mg/day" in text


def test_a_dose_that_may_be_of_the_salt_is_not_called_elemental() -> None:
    values = {"dose": "1500", "ordered": "1500", "up_to": "yes"}
    text = section(said(safety_card("rx-mg-dose", values=values)), "Do")

    assert "Total: up to 1500 mg/day if the label states elemental magnesium" in text
    assert "mg/day elemental" not in text


@pytest.mark.parametrize("form", ["supplement", "laxative"])
def test_a_dose_that_cannot_be_read_is_quoted_beside_the_limit(form: str) -> None:
    values = {"said": "2 heaped scoops *daily*", "form": form}
    text = section(said(safety_card("rx-mg-renal-caution", values=values)), "Do")

    assert "at most 200 mg/day elemental magnesium" in text.lower()
    assert 'Ordered: "2 heaped scoops \\*daily\\*" (daily magnesium could not be' in text


def test_an_order_without_any_words_on_its_dose_says_so() -> None:
    text = said(safety_card("rx-mg-renal-caution", values={"form": "supplement"}))

    assert "Ordered: daily magnesium could not be worked out" in text


def test_another_agent_is_advised_in_place_of_a_laxative() -> None:
    text = said(safety_card("rx-mg-renal-caution", values={"form": "bowel-prep", "egfr": "48"}))

    assert "Choose another agent without magnesium" in section(text, "Do")
    assert "another agent" not in said(one_of("rx-mg-renal-caution"))


def test_a_gut_reaction_is_no_allergy() -> None:
    values = {"finding": "magnesium oxide"}
    text = section(said(safety_card("rx-mg-allergy", indicator="info", values=values)), "Do")

    assert "not an allergy: magnesium can be tried again" in text
    assert "Start with 100 mg of another salt" in text
    assert "not an allergy" not in said(one_of("rx-mg-allergy"))


def test_pregnancy_names_the_signal_of_harm() -> None:
    text = said(one_of("rx-mg-pregnancy"))

    assert "fetal and neonatal harm" in text
    assert "CER 234" in text
    assert "ACOG 2022" in text
    assert "At most 350 mg/day" in text


# ------------------------------------------------------------------ evidence


@each_row("card", CARDS)
def test_two_lines_of_evidence_stand_on_suggestions_and_only_there(card: str) -> None:
    lines = [line.card for line in knowledge().evidence if line.card]
    text = said(one_of(card))

    assert len(lines) == 2
    assert [f"- {line}" in text for line in lines] == [card in SUGGESTING] * 2


def test_the_evidence_says_how_weak_it_is() -> None:
    text = section(said(suggestion_card()), "Evidence")

    leads = ['VA/DoD 2023 "weak for"', "AAN/AHS 2012 Level B (retired)", "Canada 2012", "ACP 2025"]
    places = [text.index(words) for words in leads]
    assert places == sorted(places)
    for words in (
        "the 2024 update did not re-assess it",
        "must not delay first-line preventives",
        "No migraine trial used glycinate; trials used citrate, oxide, pidolate, aspartate",
        "Okoli 2019: unknown",
        "Teigen 2015: limited",
    ):
        assert words in text


# --------------------------------------------------------------- kidney


def test_a_reported_egfr() -> None:
    assert kidney_said(kidney("92")) == (
        "Normal for this purpose; eGFR 92 mL/min/1.73 m², 2026-10-23"
    )
    noted = kidney("92", evidence=egfr("92", note="no unit was given"))
    assert kidney_said(noted).endswith("2026-10-23 (no unit was given)")
    undated = kidney("92", evidence=egfr("92", date=""))
    assert kidney_said(undated).endswith("eGFR 92 mL/min/1.73 m², not dated")


def test_a_computed_egfr_shows_what_it_was_computed_from() -> None:
    computed = kidney("40", basis="creatinine", egfr_text="40.1", evidence=CREATININE)

    assert kidney_said(computed) == (
        "Moderately reduced; eGFR 40.1 mL/min/1.73 m² computed (CKD-EPI 2021) from "
        "creatinine 1.9 mg/dL, 2026-10-23"
    )
    undated = msgspec.structs.replace(CREATININE, date=None)
    assert kidney_said(msgspec.structs.replace(computed, evidence=undated)).endswith(
        "creatinine 1.9 mg/dL, not dated"
    )


def test_a_diagnosis_and_a_procedure() -> None:
    stage = Evidence("Condition/k", ICD, "N18.4", "CKD stage 4", "2024-02-02")
    known = kidney("25", basis="diagnosis", value=None, evidence=stage)
    bare = Kidney(KidneyClass.SEVERE, "dialysis", "procedure", reason=reasons.DIALYSIS)

    assert kidney_said(known) == "Severely reduced; CKD stage 4, 2024-02-02"
    assert kidney_said(bare) == "Severely reduced; dialysis"


def test_no_kidney_data_is_said_with_the_reason() -> None:
    assert kidney_said(NO_KIDNEY_DATA) == "Kidney function is not on file"
    assert kidney_said(NO_KIDNEY_DATA, "kidneyLabs", "allergies") == (
        "Kidney results were not available"
    )


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("stale", "older than 183 days"),
        ("needs_labs", "laboratory first"),
        ("discordant", "problem list and lab disagree"),
        ("disagrees", "problem list and lab disagree: the more restrictive is used"),
        ("conflicting", "the worse one counts, repeat the test"),
        ("unusable_newer", "the newest kidney result is missing or cannot be used"),
        ("partly_known", "known only in part"),
        ("some_new_flag", "some\\_new\\_flag"),
    ],
)
def test_flags_in_words(flag: str, words: str) -> None:
    assert words in kidney_said(kidney("48", flags=(flag,)))


def test_both_values_of_a_conflict_stand_there_with_their_dates() -> None:
    other = msgspec.structs.replace(egfr("105", date="2026-10-24"), resource="Observation/8")
    known = kidney("39", flags=("conflicting",), others=(other,))

    assert kidney_said(known) == (
        "Moderately reduced; eGFR 39 mL/min/1.73 m², 2026-10-23; two results of the same time "
        "disagree: the worse one counts, repeat the test; "
        "also on file: eGFR, 105 mL/min/1.73 m², 2026-10-24"
    )


def test_what_else_is_on_file_is_shown() -> None:
    other = msgspec.structs.replace(egfr("72", note="not a unit of eGFR"), resource="Observation/8")
    known = kidney("48", flags=("disagrees",), others=(egfr("48"), other, CREATININE))

    assert kidney_said(known).endswith(
        "also on file: eGFR, 72 mL/min/1.73 m², 2026-10-23, not a unit of eGFR / "
        "Creatinine, 1.9 mg/dL, 2026-10-23"
    )


@pytest.mark.parametrize(("number", "ending"), [(4, " / eGFR, 74"), (5, " / + 1"), (6, " / + 2")])
def test_much_else_on_file_is_counted(number: int, ending: str) -> None:
    others = tuple(
        msgspec.structs.replace(egfr(f"7{n}"), resource=f"Observation/x{n}")
        for n in range(1, number + 1)
    )
    text = kidney_said(kidney("48", others=others)).removesuffix(" mL/min/1.73 m², 2026-10-23")
    assert text.endswith(ending)


def test_an_old_value_is_shown_where_the_class_is_unknown() -> None:
    old = kidney("85", kidney_class=KidneyClass.UNKNOWN, basis="none", others=(egfr("85"),))

    assert kidney_said(old) == (
        "No result that is recent enough and can be used; "
        "also on file: eGFR, 85 mL/min/1.73 m², 2026-10-23"
    )


def test_results_that_cannot_be_used_are_not_called_none() -> None:
    unusable = msgspec.structs.replace(CREATININE, value="70", note="cannot be used")
    known = Kidney(
        KidneyClass.UNKNOWN, "unusable-newer", evidence=unusable, flags=("unusable_newer",)
    )

    assert kidney_said(known) == (
        "Not known; the newest kidney result is missing or cannot be used: look at it; "
        "also on file: Creatinine, 70 mg/dL, 2026-10-23, cannot be used"
    )
    beside = msgspec.structs.replace(known, others=(egfr("85"),))
    assert "also on file: Creatinine, 70 mg/dL, 2026-10-23, cannot be used / eGFR, 85 mL" in (
        kidney_said(beside)
    )


def test_a_result_that_is_named_is_not_called_none() -> None:
    assert kidney_said(kidney("92", kidney_class=KidneyClass.UNKNOWN)) == (
        "Not known; eGFR 92 mL/min/1.73 m², 2026-10-23"
    )


def test_what_was_recognised_by_its_name_says_so_in_the_line_on_the_kidney_too() -> None:
    by_name = Evidence("Procedure/1", display="Haemodialysis", matched="text")
    other = Evidence("Condition/1", display="Renal failure", matched="text")
    known = Kidney(KidneyClass.SEVERE, "dialysis", "procedure", evidence=by_name, others=(other,))

    assert kidney_said(known) == (
        "Severely reduced; Haemodialysis, recognised by its name, not by a code; "
        "also on file: Renal failure, recognised by its name, not by a code"
    )


def test_a_safety_card_speaks_of_the_kidney_only_where_it_bears_on_it() -> None:
    assert "**Kidney:**" not in said(safety_card("rx-mg-nmj", kidney=kidney("92")))
    assert "**Kidney:**" not in said(safety_card("rx-mg-nmj", kidney=None))
    assert "**Kidney:**" in said(safety_card("rx-mg-nmj", kidney=kidney("48")))
    flagged = kidney("92", flags=("unusable_newer",))
    assert "**Kidney:**" in said(safety_card("rx-mg-nmj", kidney=flagged))


# -------------------------------------------------------- cautions, gaps


def test_every_caution_of_the_policy_is_said() -> None:
    values = {"weeks": "2", "months": "3", "age": "70", "mg": "300", "drug": "digoxin"}
    values |= {"finding": "IBD", "advice": "Separate.", "product": "Maalox"}
    values |= {"since": "2020-01-01", "date": "2026-01-01", "before": "62", "now": "48"}
    for row in knowledge().policy.cautions:
        if row.id == "S2":
            continue  # why there are tests beside the dose, which the facts say
        template = row.text.removesuffix(".")
        filled = re.sub(r"\{(\w+)\}", lambda place: values[place[1]], template)
        for card in (
            suggestion_card(cautions=(caution(row.id, **values),)),
            safety_card("rx-mg-dose", cautions=(caution(row.id, **values),)),
        ):
            assert said(card).lower().count(filled.removesuffix(".").lower()) == 1, row.id


def test_each_caution_stands_where_it_is_looked_for() -> None:
    cautions = (
        caution("C1", weeks="4", months="3"),
        caution("C2", age="70", mg="300"),
        caution("C4", finding="AV block"),
        caution("C5", drug="gabapentin", advice="gabapentin 2 h after magnesium"),
    )
    text = said(suggestion_card(cautions=cautions, kidney=kidney("48")))

    assert "4 weeks" in section(text, "Kidney")
    assert "Age 70" in section(text, "Do")
    assert "AV block" in section(text, "Check first")
    assert "Gabapentin" in section(text, "Keep apart")
    assert "AV block" in section(said(safety_card("rx-mg-dose", cautions=cautions)), "Check first")


def test_what_a_caution_names_does_not_stand_among_the_facts_too() -> None:
    found = Evidence("Condition/b", ICD, "K50.90", "Crohn disease", "2024-01-01")
    fact = Fact("RF7", FactState.PRESENT, (found,))
    named = caution("C6", found, finding="Crohn disease")
    text = said(suggestion_card(because=(MIGRAINE, fact), cautions=(named,)))

    assert text.count("Crohn disease") == 1
    assert "Crohn disease: start low" in section(text, "Check first")
    assert "Crohn disease, 2024-01-01" in said(suggestion_card(because=(MIGRAINE, fact)))


def test_an_old_order_asks_whether_it_is_still_taken_and_is_named_once() -> None:
    found = Evidence("MedicationRequest/9", display="magnesium oxide 400 mg", date="2022-03-01")
    taken = Fact("current_magnesium", FactState.PRESENT, (found,))
    values = {"product": "magnesium oxide 400 mg", "since": "2022-03-01T08:00:00Z"}
    card = safety_card(
        "mg-hazard-renal", because=(taken,), cautions=(caution("M9", found, **values),), order=None
    )

    assert section(said(card), "Finding") == (
        "Magnesium oxide 400 mg is on the list since 2022-03-01: still taking it?"
    )


@pytest.mark.parametrize(
    ("caution_id", "words"),
    [
        ("U6", "its status is not clear, so it is counted as taken"),
        ("U13", "code and words disagree; counted as magnesium"),
    ],
)
def test_why_an_unclear_product_counts_is_part_of_the_finding(caution_id: str, words: str) -> None:
    doubt = caution(caution_id, product="Magnesium oxide")
    assert words in section(said(safety_card("mg-hazard-renal", cautions=(doubt,))), "Finding")


def test_several_interacting_drugs_stand_on_one_line_each() -> None:
    found = Evidence("MedicationRequest/9", display="Doxycycline 100 mg", date="2026-11-01")
    cautions = (
        caution("C5", found, drug="doxycycline", advice="2 h before or 4 h after magnesium"),
        caution("C5", drug="levothyroxine", advice="4 h apart from magnesium; TSH in 6-8 weeks"),
    )
    interacting = Fact("interacting_drug", FactState.PRESENT, (found,))
    card = safety_card("rx-mg-interaction", cautions=cautions, because=(interacting,))
    text = said(card)

    assert section(text, "Do").split("\n") == [
        "- Tell the patient when to take each",
        "- Doxycycline: 2 h before or 4 h after magnesium (Doxycycline 100 mg, 2026-11-01)",
        "- Levothyroxine: 4 h apart from magnesium; TSH in 6-8 weeks",
    ]
    assert text.count("2026-11-01") == 1


@pytest.mark.parametrize("drugs", [("rocuronium",), ("rocuronium", "vecuronium")])
def test_hours_are_not_said_where_they_do_not_help(drugs: tuple[str, ...]) -> None:
    cautions = tuple(caution("C5", drug=d, advice="tell the anaesthetist") for d in drugs)
    lines = section(said(safety_card("rx-mg-interaction", cautions=cautions)), "Do").split("\n")

    assert lines[0] == "- Keeping them hours apart is not enough"
    assert lines[1] == "- Rocuronium: tell the anaesthetist"


def test_an_interacting_drug_that_is_the_order_is_not_named_twice() -> None:
    found = Evidence("MedicationRequest/order-1", display="Doxycycline 100 mg", date="2026-11-01")
    ordered = Fact("trigger_order", FactState.PRESENT, (found,))
    apart = caution("C5", found, drug="doxycycline", advice="2 h before or 4 h after magnesium")
    text = said(safety_card("rx-mg-interaction", cautions=(apart,), because=(ordered,)))

    assert text.count("Doxycycline 100 mg") == 1


def test_an_interaction_without_a_caution_is_said_by_its_values() -> None:
    values = {"drug": "dolutegravir", "advice": "2 h before or 6 h after magnesium."}
    line = "- Dolutegravir: 2 h before or 6 h after magnesium"

    assert said(safety_card("rx-mg-interaction", values=values)).count(line) == 1


def test_drugs_with_the_same_advice_share_a_line_on_a_suggestion() -> None:
    cautions = tuple(
        caution("C5", drug=drug, advice="2 h apart from magnesium.")
        for drug in ("ferrous sulfate", "ferric maltol")
    )
    assert section(said(suggestion_card(cautions=cautions)), "Keep apart") == (
        "Ferrous sulfate, ferric maltol: 2 h apart from magnesium"
    )


def test_what_is_not_known_is_named_in_words_and_once() -> None:
    gaps = (gap("pregnancyStatus", "was refused"), gap("newKey", "?"), gap("newKey", "?"))

    assert section(said(suggestion_card(gaps=gaps)), "Not known") == (
        "Pregnancy status (was refused); newKey (?). Check before acting on this card"
    )
    assert "Not known" not in said(suggestion_card())


# --------------------------------------------------------------- safety


def test_text_of_the_chart_stays_text() -> None:
    hostile = "<img src=x> [a](http://evil.example) **b**"
    found = Evidence("Condition/1", ICD, hostile, hostile, hostile, hostile, hostile, note=hostile)
    card = suggestion_card(
        because=(Fact("RF1", FactState.PRESENT, (found,)),),
        values={"drug": hostile, "finding": hostile, "product": hostile},
        cautions=(caution("C5", found, drug=hostile, advice=hostile),),
        gaps=(gap(hostile, hostile),),
        kidney=kidney("48", evidence=found, egfr_text=hostile, flags=(hostile,), others=(found,)),
        order=order(label=hostile),
        magnesium=SerumMagnesium(MagnesiumState.LOW, hostile, found),
    )
    for shown in (card, msgspec.structs.replace(card, card="rx-mg-interaction", safety=True)):
        html = MarkdownIt("commonmark", {"html": True}).render(said(shown))

        assert "<img" not in html
        assert "<strong>b" not in html
        assert "<a " not in html


def test_advice_is_never_cut() -> None:
    for interaction in knowledge().interactions.interactions:
        for advice in (interaction.advice, *(d.advice for d in interaction.per_drug)):
            text = said(suggestion_card(cautions=(caution("C5", drug="x", advice=advice),)))
            assert advice.removesuffix(".") in text


def test_a_line_begins_with_a_capital_but_egfr_keeps_its_own() -> None:
    assert capital("dialysis") == "Dialysis"
    assert capital("eGFR 48") == "eGFR 48"
