"""How often, in words: every sig word of the specification, and what is made of them."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from cds_service.knowledge.dosage import LONGEST_TEXT, Sig, plain_text
from cds_service.knowledge.model import DosageWord
from tests.support.decisions import knowledge
from tests.support.tables import each_row

DOSING = knowledge().dosage
WORDS = knowledge().dosage_words
NOT_READ = {"on", "o.n.", *DOSING.tables.not_read}
"""Words of the file with another frequent meaning (decisions M9, M10)."""

OFTEN = [w for w in WORDS.words if w.times_per_day is not None and w.text not in NOT_READ]
A_DAY = ("hourly", "times_daily", "once_daily")


def read(text: str) -> Sig:
    return DOSING.read(plain_text(text))


def times(text: str) -> Decimal | None:
    return read(text).times


def named(word: DosageWord) -> str:
    return f"{word.group} {word.text}"


# ------------------------------------------------------------------------- the words of the file


@each_row("word", OFTEN, ids=named)
def test_every_word_is_read_as_often_as_the_specification_says(word: DosageWord) -> None:
    assert word.times_per_day is not None
    for text in (word.text, word.text.upper(), f"1 tablet by mouth {word.text} with water"):
        assert times(text) == pytest.approx(word.times_per_day, abs=Decimal("0.000001")), text


@each_row("word", [w for w in WORDS.words if w.group in ("weekly", "monthly")], ids=named)
def test_no_word_of_a_week_or_a_month_is_read_as_one_of_a_day(word: DosageWord) -> None:
    found = times(f"2 tablets {word.text}")
    assert found is not None
    assert found < 1


@pytest.mark.parametrize("word", [w for w in WORDS.words if w.group == "once"], ids=named)
def test_a_single_dose_is_no_daily_dose(word: DosageWord) -> None:
    assert times(f"400 mg {word.text}") is None


@pytest.mark.parametrize(
    "word",
    [w for w in WORDS.words if w.group == "as_needed" and w.text not in NOT_READ],
    ids=named,
)
def test_a_word_for_as_needed(word: DosageWord) -> None:
    for text in (word.text, word.text.upper(), f"1 tablet twice daily {word.text}, with water"):
        assert DOSING.is_as_needed(text), text
        assert read(text).as_needed, text
    assert times(f"1 tablet twice daily {word.text}") == 2


@pytest.mark.parametrize("text", sorted(DOSING.tables.not_read))
def test_an_indication_is_not_as_needed(text: str) -> None:
    assert not DOSING.is_as_needed(f"1 tablet daily {text}")
    assert not read(f"1 tablet daily {text}").as_needed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("before meals", 3),
        ("vor den Mahlzeiten", 3),
        ("avant les repas", 3),
        ("with meals", None),
        ("after food", None),
        ("twice daily before meals", 2),
        ("once daily before food", 1),
        ("at bedtime, not before eating", 1),
    ],
)
def test_a_meal_counts_only_where_nothing_else_is_said(text: str, found: int | None) -> None:
    assert times(text) == found


# --------------------------------------------------------------------------------- other numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seven times a day", 7),
        ("7 times daily", 7),
        ("8x/day", 8),
        ("achtmal täglich", None),  # a number word that nobody knows is not guessed
        ("zweimal pro Tag", 2),
        ("3 mal am Tag", 3),
        ("trois fois par jour", 3),
        ("every 5 hours", Decimal(24) / 5),
        ("q10h", Decimal(24) / 10),
        ("alle 16 Std", Decimal(24) / 16),
        ("every 5 days", Decimal(1) / 5),
        ("every 6 weeks", Decimal(1) / 42),
        ("6 times a week", Decimal(6) / 7),
        ("twice each week", Decimal(2) / 7),
        ("three times a month", Decimal(3) / 30),
        # A range: the more frequent end counts.
        ("1-3-mal tgl.", 3),
        ("2 to 3 times a day", 3),
        ("2 or 3 times daily", 3),
        ("every 4 to 6 hours", 6),
        ("every 3-4 hours", 8),
        ("every 8 bis 12 hours", 3),
        ("2 (two) times daily", 2),
        ("2 (two) to 3 (three) times daily", 3),
        # No frequency that anybody writes.
        ("400 times daily", None),
        ("every 0 hours", None),
        ("400/day", 1),
    ],
)
def test_a_number_that_is_not_in_the_file(text: str, found: Decimal | int | None) -> None:
    assert times(text) == (None if found is None else pytest.approx(Decimal(found)))


@pytest.mark.parametrize(
    "text",
    ["several times a day", "many times daily", "x times a week", "quelques fois par jour"],
)
def test_a_count_that_is_not_read_leaves_it_unknown(text: str) -> None:
    assert times(text) is None
    assert read(text).says_dose


# ------------------------------------------------------------------------------- several phrases


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Words of a week before words of a day.
        ("weekly in the morning", Decimal(1) / 7),
        ("once weekly at bedtime", Decimal(1) / 7),
        ("weekly twice", Decimal(2) / 7),
        ("every other day at night", Decimal("0.5")),
        # What is said of something else does not make a daily dose a weekly one.
        ("1 tablet daily, weigh yourself weekly", 1),
        # Steps: the largest counts.
        ("1 daily for 2 weeks, then 1 twice daily", 2),
        ("1 tablet twice daily, then once daily", 2),
        # Parts of the day are counted, each once.
        ("in the morning", 1),
        ("morning, noon and night", 3),
        ("every morning with breakfast", 1),
        ("with breakfast and dinner", 2),
        ("once daily in the morning and at night", 2),
        ("in the evening before bed", 1),
        ("in the evening and at bedtime", 2),
        ("mane et nocte", 2),
        ("am Morgen und am Abend", 2),
        ("matin et soir", 2),
        ("1 tablet AM and 1 tablet PM", 2),
        # Times without a period are times a day.
        ("twice", 2),
        ("3 x 1", 3),
        ("once daily, twice", 2),
    ],
)
def test_several_phrases(text: str, found: Decimal | int) -> None:
    assert times(text) == pytest.approx(Decimal(found))


def test_parts_of_the_day_may_each_have_their_own_amount() -> None:
    assert read("200 mg in the morning and 400 mg at night").by_parts
    assert not read("200 mg twice daily").by_parts
    assert not read("200 mg in the morning").by_parts


@pytest.mark.parametrize(
    "text", ["", "as directed", "biweekly", "400 mg", "2 heaped scoops with the main meal", "x 5 d"]
)
def test_what_does_not_say_how_often(text: str) -> None:
    assert times(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", False),
        ("as directed", False),
        ("take as needed with food", False),
        ("2 heaped scoops", True),
        ("one scoop", True),
        ("nightly", True),
        ("weekly", True),
    ],
)
def test_whether_words_say_a_dose(text: str, says: bool) -> None:
    assert read(text).says_dose is says


# ------------------------------------------------------------------------------ tablets alone


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("2 nightly", 2),
        ("1 tds", 1),
        ("1-2 daily", 2),
        ("take 2 by mouth twice daily", 2),
        ("3 x 1", 1),
        ("1/2 nocte", Decimal("0.5")),
        ("1 1/2 nocte", Decimal("1.5")),
        ("1-1/2 nocte", Decimal("1.5")),
        ("1 and 1/2 nocte", Decimal("1.5")),
        ("one to be taken twice daily", 1),
        ("daily at 8 pm", None),
        ("daily, 8 pm", None),
        ("2 am Tag", 2),
        ("2 am Abend", 2),
        ("morgens 1, abends 2", None),
        ("1 daily for 2 weeks, then 1 twice daily", 1),
        ("1 in the morning and 2 at night", None),  # which of them?
        ("20 nightly", 20),
        ("21 nightly", None),
        ("400 nightly", None),
        ("1/0 nightly", None),
        ("twice daily", None),
        ("for 5 days", None),
        ("daily 2", None),
    ],
)
def test_a_number_of_tablets_without_its_unit(text: str, units: Decimal | int | None) -> None:
    assert read(text).units == units


def test_several_numbers_of_tablets_are_unclear() -> None:
    assert read("1 in the morning and 2 at night").unclear
    assert read("morgens 1, abends 2").unclear
    assert not read("morgens 1, abends 1").unclear
    assert not read("twice daily").unclear


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("1 daily", ["1 daily"]),
        ("1 daily for a week, then 2 daily", ["1 daily for a week, ", " 2 daily"]),
        ("1-0-1, dann 2-0-2", ["1-0-1, ", " 2-0-2"]),
        ("1 nightly, increase to 2", ["1 nightly, ", " 2"]),
        ("strengthen", ["strengthen"]),
    ],
)
def test_the_steps_of_a_course(text: str, steps: list[str]) -> None:
    assert DOSING.steps(text) == steps


def test_what_is_joined_by_and_or_a_comma() -> None:
    assert DOSING.portions("1,5 morgens, 2 abends und 1 nachts") == [
        "1,5 morgens",
        " 2 abends ",
        " 1 nachts",
    ]


def test_of_several_schemes_the_largest_counts() -> None:
    sig = read("1-0-1, bei Bedarf 2-2-0-2")
    assert sig.scheme == 6
    assert sig.times == 3


@pytest.mark.parametrize("text", ["three (3) times daily", "3 (three) times daily"])
def test_a_number_that_is_repeated_is_one_number(text: str) -> None:
    assert times(f"take one (1) tablet {text}") == 3


def test_one_dose_now_is_a_single_dose() -> None:
    assert read("2 tablets now").single
    assert not read("2 tablets twice daily, first dose now").single


@pytest.mark.parametrize(
    ("text", "scheme", "found"),
    [
        ("1-0-1", 2, 2),
        ("2-0-2", 4, 2),
        ("1-1-1-1", 4, 4),
        ("1-0-0-1", 2, 2),
        ("1 - 0 - 1", 2, 2),
        ("1\u20130\u20131", 2, 2),  # dashes
        ("1/2-0-1/2", 1, 2),
        ("½-0-½", 1, 2),
        ("1,5-0-1", Decimal("2.5"), 2),
        ("0-0-2 Kapseln", 2, 1),
        ("28-11-2026", None, None),  # a date
        ("1-0-21", None, None),
        ("1-0", None, None),
        ("1-0-1-0-1", None, None),
    ],
)
def test_a_german_scheme(
    text: str, scheme: Decimal | int | None, found: Decimal | int | None
) -> None:
    sig = read(text)
    assert sig.scheme == scheme
    if scheme is not None:
        assert sig.times == found


# --------------------------------------------------------------------------------- timing codes


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("QD", 1), ("BID", 2), ("TID", 3), ("QID", 4), ("QOD", Decimal("0.5")), ("Q4H", 6),
        ("Q6H", 4), ("q8h", 3), ("AM", 1), ("PM", 1), ("BED", 1), ("WK", Decimal(1) / 7),
        ("MO", Decimal(1) / 30), ("Q12H", 2), (" bid ", 2), ("Every 6 hours PRN", 4),
        ("local", None), ("", None), ("1", None),
    ],
)  # fmt: skip
def test_a_timing_code(code: str, found: Decimal | int | None) -> None:
    assert DOSING.code(code) == (None if found is None else pytest.approx(Decimal(found)))


# ----------------------------------------------------------------------------------------- units


@each_row(
    ("written", "unit"),
    [
        *((f"{{{word}}}", "unit") for word in (
            "pill", "tab", "tablets", "cap", "capsule", "caplet", "softgel", "each", "EA", "unit",
            "dose", "Tablet(s)", "tablet",
        )),
        ("tablet(s)", "unit"), ("tab(s)", "unit"), ("cap(s)", "unit"), ("TAB", "unit"),
        ("milligram(s)", "mg"), ("mgs", "mg"), ("MG", "mg"), ("mL", "ml"), ("mEq", "meq"),
        ("732936001", "unit"), ("428641000", "unit"), ("258684004", "mg"),
        ("Kapseln", "unit"), ("comprimé", "unit"), ("gélules", "unit"),
        ("{blister}", "annotation"), ("{scoop}", "annotation"),
        ("scoop", None), ("", None), (None, None), ("{open", None),
    ],
)  # fmt: skip
def test_a_unit(written: str | None, unit: str | None) -> None:
    assert DOSING.unit(written) == unit


def test_a_unit_that_is_known_comes_before_an_annotation() -> None:
    assert DOSING.unit("{blister}", "tablet") == "unit"
    assert DOSING.unit(None, "{blister}") == "annotation"
    assert DOSING.unit("spoon", "{blister}") == "annotation"


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("d", 1),
        ("days", 1),
        ("Day(s)", 1),
        ("Wk", 7),
        ("mo", 30),
        ("h", Decimal(1) / 24),
        ("x", None),
        ("", None),
    ],
)
def test_the_days_in_a_unit_of_time(written: str, days: Decimal | int | None) -> None:
    assert DOSING.days(written) == days
    assert DOSING.days(None, written) == days


# ----------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("  200\u00a0MG  Daily\n", "200 mg daily"),
        ("1 Comprimé", "1 comprime"),
        ("½ täglich", "1/2 taglich"),
        ("1½", "1 1/2"),
        ("1-1/2 tabs", "1 1/2 tabs"),
        ("1 and 1/2", "1 1/2"),
        ("1 & ½", "1 1/2"),
        ("1-0-1/2", "1-0-1/2"),
        ("1/2-1/2-0", "1/2-1/2-0"),
        ("２００", "２００"),
    ],
)
def test_one_form_of_a_text(text: str, plain: str) -> None:
    assert plain_text(text) == plain


def test_taeglich_is_taglich() -> None:
    assert times("2x taeglich") == times("2x täglich") == times("2x taglich") == 2


HOSTILE = [
    "every " * 1000,
    "1 " * 2000,
    "1-" * 2000,
    "1 - " * 1000,
    "(" * 4000,
    "a." * 2000,
    "as " + "." * 3990,
    "1" * 4000,
    "1,000," * 600,
    "times a " * 500,
    "½" * 4000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: t[:6])
def test_a_hostile_text_takes_no_longer_than_others(text: str) -> None:
    start = time.process_time()
    read(text)
    DOSING.is_as_needed(text)
    DOSING.amounts.of(plain_text(text))
    assert time.process_time() - start < 0.5


def test_a_text_that_is_too_long_is_left_unread() -> None:
    longest = "twice daily" + " " * (LONGEST_TEXT - 12) + "x"
    assert DOSING.read(longest).times == 2
    assert DOSING.read(longest + "y") == Sig(says_dose=True)
