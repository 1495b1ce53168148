"""Numbers and tables in documents agree with what they are about."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from cds_service.feedback import reading, report
from cds_service.fetching import fetching
from cds_service.fetching.failures import Why
from cds_service.fhir.prefetch import KINDS, REQUIRED
from cds_service.hooks import envelope
from cds_service.knowledge.loader import load
from cds_service.settings import Settings
from cds_service.store import background
from cds_service.trust import key_sets
from cds_service.web.calls import incoming
from tools import serve, supervising

from .reading import DOCUMENTS, ROOT, Row, prose_of, rows_of, text_of

KNOWLEDGE = load()
PARAMETERS = {row.id: row.value for row in KNOWLEDGE.parameter_rows}
CLINICIANS = "docs/clinicians.md"
INTEGRATING = "docs/integrating.md"
DATA = "docs/integrating-data.md"
FETCHING = "docs/integrating-fetching.md"


def numbers_in(text: str) -> set[Decimal]:
    """The numbers of a text, but for those inside names."""
    plain = re.sub(r"`[^`]*`", "", text).replace(",", "")
    return {Decimal(found) for found in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", plain)}


def row_with(name: str, word: str) -> Row:
    [row] = [row for row in rows_of(name) if word in row.code]
    return row


# ------------------------------------------------------------------- the knowledge


def rows_about_parameters() -> list[tuple[str, Row, list[str]]]:
    return [
        (name, row, named)
        for name in DOCUMENTS
        for row in rows_of(name)
        if (named := [word for word in row.code if word in PARAMETERS])
    ]


def test_a_number_beside_its_parameter_is_its_value() -> None:
    rows = rows_about_parameters()
    assert {name for name, *_ in rows} >= {CLINICIANS, "docs/developers.md"}
    for name, row, named in rows:
        for parameter in named:
            value = PARAMETERS[parameter]
            if not isinstance(value, bool):
                told = numbers_in(row.text)
                assert Decimal(str(value)) in told, f"{name}: {parameter} is {value}: {row.text}"


def test_clinicians_are_told_no_number_but_those() -> None:
    """In the table of limits, each number is that of a parameter beside it, a unit or a stage."""
    others = {Decimal(4), Decimal(5)}  # stages of kidney disease
    for row in rows_of(CLINICIANS):
        named = [Decimal(str(PARAMETERS[word])) for word in row.code if word in PARAMETERS]
        if named:
            assert numbers_in(row.text) - {Decimal(n) for n in named} <= others, row.text


def test_each_card_is_told_with_its_severity() -> None:
    told: dict[str, str] = {}
    for row in rows_of(CLINICIANS):
        for number, cell in enumerate(row.cells[:-1]):
            if cell.strip("`") in KNOWLEDGE.cards:
                told[cell.strip("`")] = row.cells[number + 1]
    assert told == {card.id: card.indicator for card in KNOWLEDGE.cards.values()}


def test_each_risk_factor_is_told() -> None:
    told = [row.cells[0] for row in rows_of(CLINICIANS) if re.fullmatch(r"RF\d+", row.cells[0])]
    assert told == [row.id for row in KNOWLEDGE.policy.risk_factors]
    begun = [row.id for row in KNOWLEDGE.policy.risk_factors if not row.extension]
    assert f"{begun[0]} to {begun[-1]} come from" in prose_of(CLINICIANS)


def test_the_doses_on_offer_are_those_of_the_plans() -> None:
    for plan in KNOWLEDGE.plans.plans:
        row = row_with(CLINICIANS, plan.id)
        assert plan.in_words in row.cells
        daily = [
            sum(step.dose_mg * step.frequency for step in plan.steps if step.sequence == number)
            for number in sorted({step.sequence for step in plan.steps})
        ]
        assert row.cells[-1] == ", then ".join(f"{amount} mg" for amount in daily), plan.id
        if plan.id == "mg_200_300":
            assert row.cells[0].startswith(f"{KNOWLEDGE.parameters.age.elderly} or older")


def test_limits_in_sentences() -> None:
    dose, limits_of = KNOWLEDGE.parameters.dose, KNOWLEDGE.parameters.dose.upper_level_child
    assert f"more than {dose.max_mg} mg/day" in row_with(CLINICIANS, "rx-mg-dose").text
    assert (
        f"at most {dose.moderate_ckd_max_mg} mg/day"
        in row_with(CLINICIANS, "rx-mg-renal-caution").text
    )
    youngest, middle, oldest = sorted(limits_of.values(), key=lambda band: band.from_age)
    age = row_with(CLINICIANS, "rx-mg-age").text
    assert f"above {youngest.mg} mg at {youngest.from_age} to {middle.from_age - 1} years" in age
    assert f"{middle.mg} mg at {middle.from_age} to {oldest.from_age - 1}" in age
    adult = KNOWLEDGE.parameters.age.adult
    assert f"{oldest.mg} mg at {oldest.from_age} to {adult - 1}" in age
    risk = KNOWLEDGE.parameters.risk
    prose = " ".join(prose_of(CLINICIANS).split())
    assert f"a PPI for {KNOWLEDGE.parameters.ppi.min_days} days" in prose
    assert f"anti-EGFR drugs within {risk.oncology_days} days" in prose
    assert f"and the like within {risk.antiinfective_days} days" in prose
    assert f"no more than {KNOWLEDGE.parameters.cards.max} cards" in prose
    assert f"a trial of {KNOWLEDGE.parameters.trial.weeks} weeks" in prose


def test_decisions_name_the_limits_of_the_knowledge() -> None:
    text = prose_of("docs/clinical-decisions.md")
    dose, magnesium = KNOWLEDGE.parameters.dose, KNOWLEDGE.parameters.magnesium
    assert f"`update` to {dose.moderate_ckd_max_mg} mg" in text
    assert f"below {magnesium.severe_low_mg_dl} mg/dL" in text
    assert f"the {KNOWLEDGE.parameters.renal.dialysis_procedure_days} days are counted" in text


# --------------------------------------------------------------------- integrating


_KEY_COLUMNS = 5


def test_the_keys_are_those_that_are_read() -> None:
    found = {
        row.cells[0].strip("*`"): (row.cells[0].startswith("**"), row.cells[-1], row.cells[1])
        for row in rows_of(DATA)
        if row.cells[0].strip("*`") in KINDS and len(row.cells) == _KEY_COLUMNS
    }
    assert set(found) == set(KINDS)
    for key, (bold, without, asked) in found.items():
        assert bold == (key in REQUIRED), key
        assert (without == "412") == bold, key
        assert any(f"`{kind}`" in asked for kind in KINDS[key].resource_types), key


def test_the_reasons_are_those_that_are_given() -> None:
    begun = "| reason | what to do |"
    table = text_of(FETCHING).partition(begun)[2].partition("\n\n")[0]
    reasons = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert len(reasons) > 10
    sentences = [load().wording.reasons[why.value.code].partition(" {")[0] for why in Why]
    for reason in reasons:
        assert any(reason.startswith(sentence) for sentence in sentences), reason


def test_what_fetching_is_bound_by() -> None:
    prose = " ".join(prose_of(FETCHING).split())
    most = fetching._BATCH * fetching._BATCHES
    assert f"{fetching._BATCH} at a time and at most {most}" in prose
    assert f"one by one (at most {fetching._SINGLY})" in prose
    assert f"`CDS_FHIR_TOTAL_MS` ({Settings().fhir_total_ms // 1000} s)" in prose
    assert f"longer than {fetching.BUDGET_MS} ms" in prose


# ------------------------------------------------------- feedback, security, operation


def test_what_feedback_is_bound_by() -> None:
    prose = " ".join(prose_of("docs/feedback.md").split())
    assert f"More than {reading.MOST_ITEMS:,} items" in prose
    assert f"fewer than {report.FEW} cards" in prose
    assert f"`CDS_RETENTION_DAYS` ({Settings().retention_days})" in prose
    assert background._EVERY_SECONDS == 1 / 4
    assert "four times a second" in prose


def test_what_clients_are_bound_by() -> None:
    from cds_service.trust.clients import RECOMMENDED_ALGORITHMS, Client

    prose = " ".join(prose_of("docs/security.md").split())
    kilobytes, days = key_sets._LARGEST_BYTES // 1024, round(key_sets.STALE_SECONDS / 86_400)
    assert f"at most {kilobytes} KB in {key_sets.FETCH_SECONDS:g} s" in prose
    assert f"kept {key_sets.FRESH_SECONDS / 60:g} minutes" in prose
    assert key_sets.PAUSE_SECONDS == 60
    assert "at most once a minute" in prose
    assert f"kept up to {days} days" in prose
    assert f"without it {' and '.join(RECOMMENDED_ALGORITHMS)}" in prose
    defaults = dict(
        zip(
            Client.__struct_fields__[-len(Client.__struct_defaults__) :],
            Client.__struct_defaults__,
            strict=True,
        )
    )
    lifetime, skew = defaults["max_lifetime_seconds"], defaults["clock_skew_seconds"]
    assert f"{lifetime:g} and {skew:g}" in row_with("docs/security.md", "maxLifetimeSeconds").text
    assert f"`exp` at most {lifetime // 60:g} minutes later" in prose_of(INTEGRATING)


def test_what_operators_are_told() -> None:
    prose = " ".join(prose_of("docs/operations.md").split())
    assert (
        f"{incoming.ALWAYS_ALLOWED:,} and one for each {incoming.BYTES_PER_OBJECT} bytes" in prose
    )
    assert f"{envelope.MOST_NAMES} names" in prose
    assert f"{envelope.MOST_CONTEXT_BYTES:,} bytes" in prose
    assert f"do not end within {serve.STOP_SECONDS} s" in prose
    assert f"after {supervising.LONGEST_PAUSE_SECONDS:g} s" in prose


# ------------------------------------------------------------------- the libraries


def pins() -> dict[str, str]:
    lines = text_of("requirements.txt").splitlines()
    named = [line.removesuffix("\\").strip() for line in lines if "==" in line]
    return dict(line.split("==") for line in named)


@pytest.mark.parametrize("name", ["docs/adr/0001-libraries.md", "docs/adr/0003-store.md"])
def test_versions_are_those_that_run(name: str) -> None:
    told = {row.cells[0]: row.cells[1] for row in rows_of(name) if row.cells[0] in pins()}
    assert told
    for library, version in told.items():
        assert re.split(r"[, ]", version)[0] == pins()[library], library


# ------------------------------------------------------------------- the house


def test_the_map_has_every_room_in_its_order() -> None:
    """The rooms of the walk stand in the order that the import contract enforces."""
    import tomllib

    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [walk] = [contract for contract in contracts if contract["id"] == "one-way"]
    layers = [layer.strip("()").replace(".", "/") for layer in walk["layers"]]
    table = [row.cells[0].strip("`").removesuffix(".py") for row in rows_of("docs/developers.md")]
    assert [cell for cell in table if cell in layers] == layers
    prose = prose_of("docs/developers.md")
    for room in (ROOT / "cds_service").iterdir():
        if room.is_dir() and any(room.glob("*.py")):
            assert f"`cds_service/{room.name}`" in prose, room.name
    for tests in (ROOT / "tests").iterdir():
        if tests.is_dir() and any(tests.glob("test_*.py")) and tests.name != "fhir_server":
            assert f"`tests/{tests.name}`" in prose, tests.name


def test_the_latency_that_integrators_are_told_is_the_measured_one() -> None:
    """The rows about full prefetch repeat rows of the table of performance."""
    measured = {
        (
            re.sub(r"\D", "", row.cells[1].partition(",")[0]),
            row.cells[0].partition(",")[2].split(",")[0].strip(),
        ): row
        for row in rows_of("docs/performance.md")
        if "99 % within" in row.cells[0]
    }
    section = prose_of(INTEGRATING).partition("## Latency")[2]
    told = [
        line.strip("| ").split(" | ")
        for line in section.splitlines()
        if "| with full" in line or "| the same" in line
    ]
    wanted = [("1", "card"), ("8", "card"), ("1", "silent")]
    assert len(told) == len(wanted)
    for (_, half, most), key in zip(told, wanted, strict=True):
        row = measured[key]
        assert f"50 % within {half.removesuffix(' ms')}" in row.text
        assert row.cells[2].startswith(most)
