"""The detail: its order, what each section says, and that nothing is said without its value."""

from __future__ import annotations

import msgspec
import pytest
from markdown_it import MarkdownIt

from cards.detail import detail
from cards.naming import evidence_text
from cards.phrases import Phrases, capital
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

URL = "https://cds.example.org/evidence"
CARDS = sorted(knowledge().cards)
SUGGESTING = [c for c in CARDS if c.startswith(("mg-suggest", "mg-with", "mg-check"))]
IN_ORDER = (
    "**Why this patient**",
    "Migraine without aura (G43.009), 2026-01-10",
    "**Suggestion",
    "200 mg elemental magnesium once daily",
    "**Kidney:**",
    "eGFR 92 mL/min/1.73 m², 2026-10-23",
    "**Cautions and spacing**",
    "Levothyroxine: Separate by at least 4 h",
    "**Not available**",
    "allergies: was not sent",
    "**How sure this is**",
    "R10",
    "**Sources:**",
    URL,
)


def said(card: CardDecision) -> str:
    return detail(card, URL, knowledge())


def kidney_said(known: Kidney, *missing: str) -> str:
    text = said(suggestion_card(kidney=known, gaps=tuple(gap(key) for key in missing)))
    (line,) = (part for part in text.split("\n\n") if part.startswith("**Kidney:**"))
    return line


# ------------------------------------------------------------- the whole


@pytest.mark.parametrize("card", CARDS)
def test_every_card_has_its_advice(card: str) -> None:
    text = said(one_of(card))

    assert "**What to do**" in text or "**Suggestion" in text
    assert "{" not in text
    assert "\n- \n" not in text
    assert MarkdownIt().render(text)


@pytest.mark.parametrize("card", CARDS)
def test_a_card_without_values_says_nothing_empty(card: str) -> None:
    text = said(CardDecision(card, "info"))

    assert "{" not in text
    assert "- \n" not in text
    assert ": \n" not in text


def test_the_sections_stand_in_the_order_of_the_specification() -> None:
    text = said(
        suggestion_card(
            cautions=(
                caution(
                    "C5",
                    drug="levothyroxine",
                    advice="Separate by at least 4 h; recheck TSH 6-8 weeks after starting.",
                ),
            ),
            gaps=(gap(),),
        )
    )

    places = [text.index(part) for part in IN_ORDER]
    assert places == sorted(places)


@pytest.mark.parametrize("card", CARDS)
def test_honesty_lines_stand_on_suggestions_and_only_there(card: str) -> None:
    text = said(one_of(card))

    for line in knowledge().evidence:
        assert (line.text.rstrip(".") in text) == (card in SUGGESTING)


def test_cited_sources_stand_in_order() -> None:
    assert "**Sources:** R1, R3, R4, R5, R6, R7, R8, R9, R10, R13, R14; [" in said(
        suggestion_card()
    )


def test_a_safety_card_is_short() -> None:
    text = said(one_of("rx-mg-renal-caution"))

    assert len(text) < 800
    assert "R1" not in text
    assert URL in text


# ------------------------------------------------------------------ why


def test_facts_come_with_name_code_and_date() -> None:
    text = said(suggestion_card())

    assert "- Migraine: Migraine without aura (G43.009), 2026-01-10" in text
    assert "- Diabetes: Type 2 diabetes mellitus (E11.9), 2020-05-01" in text


def test_only_what_the_chart_shows_is_a_reason() -> None:
    absent = Fact("RF3", FactState.ABSENT)
    unknown = Fact("pregnancy", FactState.UNKNOWN, why="was not sent")
    text = said(suggestion_card(because=(absent, MIGRAINE, unknown)))

    assert "- Migraine: Migraine without aura" in text
    assert "Heart disease" not in text
    assert "Pregnancy" not in text


def test_a_fact_without_evidence_is_named() -> None:
    text = said(safety_card("rx-mg-age", because=(Fact("some_new_fact", FactState.PRESENT),)))

    assert "- Some new fact\n" in text


def test_evidence_of_two_facts_is_said_once() -> None:
    found = Evidence("Condition/m", ICD, "G43.829", "Menstrual migraine", "2026-01-10")
    facts = tuple(Fact(i, FactState.PRESENT, (found,)) for i in ("migraine", "menstrual_migraine"))
    text = said(suggestion_card(because=facts))

    assert "- Migraine and menstrual migraine: Menstrual migraine (G43.829), 2026-01-10" in text
    assert text.count("G43.829") == 1


def test_the_kidney_is_said_once() -> None:
    fact = Fact("kidney", FactState.PRESENT, (egfr("48"),))
    text = said(safety_card("rx-mg-renal-caution", because=(fact,)))

    assert text.count("48 mL/min/1.73 m²") == 1
    shown = said(safety_card("rx-mg-nmj", because=(fact,), kidney=kidney("92")))
    assert "- Kidney: eGFR, 48 mL/min/1.73 m²" in shown


@pytest.mark.parametrize(("findings", "more"), [(3, 0), (4, 1), (5, 2)])
def test_many_findings_of_one_kind_are_counted(findings: int, more: int) -> None:
    many = tuple(Evidence(f"Condition/{n}", ICD, "E11.9", f"Diabetes {n}") for n in range(findings))
    text = said(suggestion_card(because=(Fact("RF1", FactState.PRESENT, many),)))

    assert "Diabetes 2 (E11.9)" in text
    assert "Diabetes 3" not in text
    assert text.count("more\n") == (1 if more else 0)
    assert (f"- Diabetes: and {more} more" in text) == bool(more)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Evidence("Condition/1", ICD, "E11.9"), "E11.9"),
        (Evidence("Condition/1"), "Condition/1"),
        (Evidence("Condition/1", display="Diabetes"), "Diabetes"),
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
    ],
)
def test_evidence_in_a_few_words(found: Evidence, text: str) -> None:
    assert evidence_text(found, Phrases(knowledge())) == text


def test_the_order_is_named_unless_a_fact_names_it() -> None:
    found = Evidence("MedicationRequest/order-1", display="magnesium oxide")
    ordered = Fact("ordered_magnesium", FactState.PRESENT, (found,))

    assert "- Order: magnesium oxide 400 mg tablet" in said(safety_card("rx-mg-nmj"))
    assert "- Order: magnesium oxide\n" in said(safety_card("rx-mg-nmj", because=(ordered,)))
    assert "400 mg tablet" not in said(safety_card("rx-mg-nmj", because=(ordered,)))
    assert "- Order: " in said(safety_card("rx-mg-nmj", order=order(reference="")))
    assert "Finding" not in said(safety_card("rx-mg-nmj", order=order(label="")))
    assert "Finding" not in said(safety_card("rx-mg-nmj", order=None))


def test_the_magnesium_is_said_with_its_meaning_and_once() -> None:
    low = magnesium(MagnesiumState.LOW, "1.5 mg/dL")
    assert low.evidence is not None
    fact = Fact("RF6", FactState.PRESENT, (low.evidence,))
    text = said(suggestion_card(because=(MIGRAINE, fact, DIABETES), magnesium=low))

    assert "- Serum magnesium 1.5 mg/dL, 2026-10-01: low" in text
    assert "Low magnesium:" not in text
    assert "- Diabetes: Type 2" in text


def test_a_normal_magnesium_does_not_argue_against_the_trial() -> None:
    normal = magnesium(MagnesiumState.NORMAL, "2.0 mg/dL")

    assert "a normal value does not exclude low stores" in said(suggestion_card(magnesium=normal))
    plain = "- Serum magnesium 2.0 mg/dL, 2026-10-01\n"
    assert plain in said(safety_card("rx-mg-renal-caution", magnesium=normal))
    assert plain in said(suggestion_card("mg-avoid-renal", magnesium=normal))


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


def test_a_caution_names_all_that_it_rests_on() -> None:
    first = Evidence("Condition/1", ICD, "K50.90", "Crohn disease", "2026-02-01")
    second = Evidence("Condition/2", ICD, "K90.0", "Celiac disease", "2026-03-01")
    text = said(suggestion_card(cautions=(caution("C6", first, second, finding="Bowel disease"),)))
    assert "2026-02-01; Celiac" in text


def test_a_magnesium_without_unit_says_so() -> None:
    found = magnesium(MagnesiumState.HIGH, "2.9 mg/dL", note="no unit was given")

    text = said(safety_card("rx-mg-hypermag", magnesium=found))
    assert "2.9 mg/dL, 2026-10-01: high (no unit was given)" in text


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        SerumMagnesium(MagnesiumState.NONE),
        magnesium(MagnesiumState.HIGH, "2.9 mg/dL", date=""),
    ],
)
def test_without_a_dated_magnesium_there_is_no_line(nothing: SerumMagnesium | None) -> None:
    assert "Serum magnesium" not in said(safety_card("rx-mg-hypermag", magnesium=nothing))


def test_mechanisms_are_called_proposed() -> None:
    assert "Proposed mechanisms" in said(suggestion_card())
    assert "Proposed mechanisms" not in said(one_of("mg-avoid-renal"))


# ------------------------------------------------------------ what to do


def test_a_dose_comes_with_steps_trial_stop_rule_and_limits() -> None:
    text = said(suggestion_card())

    assert (
        "Dose: 200 mg elemental magnesium once daily with evening meal for 14 days; "
        "then 200 mg elemental magnesium twice daily with meals if tolerated" in text
    )
    assert "Trial of 12 weeks with a headache diary" in text
    assert "Stop if headache days do not fall by 50 %" in text
    assert "Recheck creatinine and magnesium at 12 weeks" in text
    assert "More than 350 mg/day is a clinician-supervised choice; never above 500 mg/day" in text


def test_without_a_risk_factor_there_is_no_routine_recheck() -> None:
    assert "Recheck creatinine" not in said(suggestion_card(because=(MIGRAINE,)))


def test_the_menstrual_plan_is_an_alternative() -> None:
    text = said(suggestion_card(offers=(plan(), plan("mg_perimenstrual", recommended=False))))

    assert (
        "- Or: 120 mg elemental magnesium three times daily from cycle day 15 until menses "
        "begin, each cycle. Suits regular cycles; with irregular cycles use daily dosing" in text
    )


def test_an_alternative_without_a_note_of_its_own_is_just_its_steps() -> None:
    text = said(suggestion_card(offers=(plan("mg_perimenstrual"), plan())))

    assert "twice daily with meals if tolerated\n" in text


def test_the_reduced_plan_names_its_own_limit() -> None:
    card = suggestion_card(
        "mg-suggest-reduced", offers=(labs(), plan("mg_200_reduced")), kidney=kidney("48")
    )

    assert "Creatinine and magnesium first. Then at most 200 mg/day" in said(card)
    assert "Not above 200 mg/day here; in general more than 350 mg/day" in said(card)


def test_before_the_tests_are_back_the_dose_that_may_start_is_named() -> None:
    card = suggestion_card("mg-check-renal", offers=(labs(), plan("mg_200_reduced")))

    assert "so 200 mg/day can start after or with the tests" in said(card)


@pytest.mark.parametrize("card", ["mg-suggest-reduced", "mg-check-renal", "mg-with-diuretic"])
def test_tests_alone_come_without_a_dose(card: str) -> None:
    text = said(suggestion_card(card, offers=(labs(),), values={"drug": "furosemide"}))

    assert "no dose until kidney function is" in text
    assert "Dose:" not in text
    assert "headache diary" not in text


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

    assert "**What to do**\n\n- Urgent: " in text


def test_an_unknown_age_is_said() -> None:
    text = said(safety_card("rx-mg-age", values={"dose": "200"}))

    assert "No birth date is on file" in text
    assert "Ordered: 200 mg/day elemental" in text
    assert "Upper level for supplements at this age: 110 mg/day" in said(one_of("rx-mg-age"))


def test_an_interaction_stands_among_the_cautions_or_by_itself() -> None:
    values = {"drug": "dolutegravir", "advice": "2 h before or 6 h after magnesium"}
    line = "- Dolutegravir: 2 h before or 6 h after magnesium"
    spaced = safety_card("rx-mg-interaction", values=values, cautions=(caution("C5", **values),))

    assert said(spaced).count(line) == 1
    assert "Give magnesium and the drug apart" in said(spaced)
    assert said(safety_card("rx-mg-interaction", values=values)).count(line) == 1


def test_lines_without_their_value_are_left_out() -> None:
    text = said(safety_card("rx-mg-dose", values={"dose": "723"}))

    assert "Already taken" not in text
    assert "Total: 723 mg/day elemental, above 500 mg/day" in text


# --------------------------------------------------------------- kidney


def test_a_reported_egfr() -> None:
    assert kidney_said(kidney("92")) == (
        "**Kidney:** normal for this purpose; eGFR 92 mL/min/1.73 m², 2026-10-23"
    )
    noted = kidney("92", evidence=egfr("92", note="no unit was given"))
    assert kidney_said(noted).endswith("2026-10-23 (no unit was given)")
    undated = kidney("92", evidence=egfr("92", date=""))
    assert kidney_said(undated).endswith("eGFR 92 mL/min/1.73 m², not dated")


def test_a_computed_egfr_shows_what_it_was_computed_from() -> None:
    computed = kidney("40", basis="creatinine", egfr_text="40.1", evidence=CREATININE)

    assert kidney_said(computed) == (
        "**Kidney:** moderately reduced; eGFR 40.1 mL/min/1.73 m² computed (CKD-EPI 2021) from "
        "creatinine 1.9 mg/dL, 2026-10-23"
    )


def test_a_diagnosis_and_a_procedure() -> None:
    stage = Evidence("Condition/k", ICD, "N18.4", "CKD stage 4", "2024-02-02")
    known = kidney("25", basis="diagnosis", value=None, evidence=stage)
    bare = Kidney(KidneyClass.SEVERE, "dialysis", "procedure", reason="dialysis")

    assert kidney_said(known) == ("**Kidney:** severely reduced; CKD stage 4 (N18.4), 2024-02-02")
    assert kidney_said(bare) == "**Kidney:** severely reduced; dialysis"


def test_no_kidney_data_is_said_with_the_reason() -> None:
    assert kidney_said(NO_KIDNEY_DATA) == (
        "**Kidney:** not known; no usable eGFR or creatinine from the last 365 days"
    )
    assert kidney_said(NO_KIDNEY_DATA, "kidneyLabs", "allergies") == (
        "**Kidney:** not known; kidney results were not available"
    )


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("stale", "older than 183 days"),
        ("needs_labs", "laboratory first"),
        ("discordant", "problem list and lab disagree"),
        ("disagrees", "problem list and lab disagree: the more restrictive is used"),
        ("unusable_newer", "the newest kidney result is missing or cannot be used"),
        ("some_new_flag", "some\\_new\\_flag"),
    ],
)
def test_flags_in_words(flag: str, words: str) -> None:
    assert words in kidney_said(kidney("48", flags=(flag,)))


def test_what_else_is_on_file_is_shown() -> None:
    other = msgspec.structs.replace(egfr("72", note="not a unit of eGFR"), resource="Observation/8")
    known = kidney("48", flags=("disagrees",), others=(egfr("48"), other, CREATININE))

    assert kidney_said(known).endswith(
        "also on file: eGFR, 72 mL/min/1.73 m², 2026-10-23, not a unit of eGFR / "
        "Creatinine, 1.9 mg/dL, 2026-10-23"
    )


def test_an_old_value_is_shown_where_the_class_is_unknown() -> None:
    old = kidney("85", kidney_class=KidneyClass.UNKNOWN, basis="none", others=(egfr("85"),))

    assert kidney_said(old) == (
        "**Kidney:** not known; no usable eGFR or creatinine from the last 365 days; "
        "also on file: eGFR, 85 mL/min/1.73 m², 2026-10-23"
    )


def test_results_that_cannot_be_used_are_not_called_none() -> None:
    unusable = msgspec.structs.replace(CREATININE, value="70", note="cannot be used")
    known = Kidney(
        KidneyClass.UNKNOWN, "unusable-newer", evidence=unusable, flags=("unusable_newer",)
    )

    assert kidney_said(known) == (
        "**Kidney:** not known; the newest kidney result is missing or cannot be used: look at it; "
        "also on file: Creatinine, 70 mg/dL, 2026-10-23, cannot be used"
    )
    beside = msgspec.structs.replace(known, others=(egfr("85"),))
    assert "also on file: Creatinine, 70 mg/dL, 2026-10-23, cannot be used / eGFR, 85 mL" in (
        kidney_said(beside)
    )


def test_a_result_that_is_named_is_not_called_none() -> None:
    assert kidney_said(kidney("92", kidney_class=KidneyClass.UNKNOWN)) == (
        "**Kidney:** not known; eGFR 92 mL/min/1.73 m², 2026-10-23"
    )


def test_what_was_recognised_by_its_name_says_so_in_the_line_on_the_kidney_too() -> None:
    by_name = Evidence("Procedure/1", display="Haemodialysis", matched="text")
    other = Evidence("Condition/1", display="Renal failure", matched="text")
    known = Kidney(KidneyClass.SEVERE, "dialysis", "procedure", evidence=by_name, others=(other,))

    assert kidney_said(known) == (
        "**Kidney:** severely reduced; Haemodialysis, recognised by its name, not by a code; "
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
    values = {"weeks": "2", "months": "3", "age": "70", "mg": "350", "drug": "digoxin"}
    values |= {"finding": "IBD", "advice": "Separate.", "product": "Maalox"}
    wanted = knowledge().policy.cautions
    cautions = tuple(caution(row.id, **values) for row in wanted)
    text = said(suggestion_card(cautions=cautions))

    section = next(part for part in text.split("\n\n- ") if "Recheck serum" in part)
    assert section.count("\n- ") == len(wanted) - 1


def test_a_caution_shows_its_evidence() -> None:
    found = Evidence("Condition/b", ICD, "I44.0", "AV block, first degree", "2024-01-01")
    with_evidence = caution("C4", found, finding="AV block")
    without_value = caution("C4", found)

    line = "- AV block: magnesium can slow conduction further; check the pulse."
    text = said(suggestion_card(cautions=(with_evidence,)))
    assert f"{line} (AV block, first degree (I44.0), 2024-01-01)" in text
    assert "I44.0" not in said(suggestion_card(cautions=(without_value,)))
    named = suggestion_card(because=(Fact("RF3", FactState.PRESENT, (found,)),))
    again = msgspec.structs.replace(named, cautions=(with_evidence,))
    assert said(again).count("I44.0") == 1


def test_what_was_not_available_is_named_in_words() -> None:
    text = said(suggestion_card(gaps=(gap("pregnancyStatus", "was refused"), gap("newKey", "?"))))

    assert "- pregnancy status: was refused" in text
    assert "- newKey: ?" in text
    assert "- Check these before acting on this card" in text
    assert "Not available" not in said(suggestion_card())


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
    html = MarkdownIt("commonmark", {"html": True}).render(said(card))

    assert "<img" not in html
    assert "<strong>b" not in html
    assert html.count("<a ") == 1  # the evidence page


def test_advice_is_never_cut() -> None:
    for interaction in knowledge().interactions.interactions:
        for advice in (interaction.advice, *(d.advice for d in interaction.per_drug)):
            text = said(suggestion_card(cautions=(caution("C5", drug="x", advice=advice),)))
            assert advice in text


def test_a_line_begins_with_a_capital_but_egfr_keeps_its_own() -> None:
    assert capital("dialysis") == "Dialysis"
    assert capital("eGFR 48") == "eGFR 48"
