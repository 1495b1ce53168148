"""The registry of cards and the code agree, and no other place names a card."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cards import registered
from cards.registered import load_knowledge, mismatches
from cds_service.knowledge.loader import KnowledgeError
from cds_service.reasoning import card_checks
from tests.support.decisions import knowledge

POLICY = knowledge().policy
CARDS = knowledge().cards
ROOT = Path(__file__).resolve().parents[2]
REGISTRY = "cds_service/knowledge/data/cards.json"
CHECKS = "cds_service/reasoning/card_checks.py"


def without(rows: tuple[Any, ...], card: str) -> tuple[Any, ...]:
    return tuple(row for row in rows if row.card != card)


def mismatches_of(**tables: Any) -> list[str]:
    return list(mismatches(replace(knowledge(), policy=replace(POLICY, **tables))))


def test_the_registry_and_the_code_agree() -> None:
    assert list(mismatches(knowledge())) == []
    assert load_knowledge().version == knowledge().version


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        (
            {
                "order_safety": (
                    *POLICY.order_safety,
                    replace(POLICY.order_safety[0], card="rx-tea"),
                )
            },
            "the code has no check for rx-tea",
        ),
        (
            {"hazards": (*POLICY.hazards, replace(POLICY.hazards[0], card="mg-hazard-tea"))},
            "the code has no check for mg-hazard-tea",
        ),
        (
            {"hazards": without(POLICY.hazards, "mg-hazard-nmj")},
            "there is a check for mg-hazard-nmj in the code, but no card",
        ),
        (
            {"order_safety": without(POLICY.order_safety, "rx-mg-bowel")},
            "there is a check for rx-mg-bowel in the code, but no card",
        ),
        (
            {"order_safety": (*POLICY.order_safety, replace(POLICY.order_safety[0], grade="odd"))},
            "grades of rx-mg-renal-critical: odd is not known",
        ),
        (
            {"hazards": (*POLICY.hazards, replace(POLICY.hazards[-1], grade="odd"))},
            "grades of mg-hazard-nmj: odd is not known",
        ),
    ],
)
def test_a_mismatch_is_found(tables: dict[str, Any], line: str) -> None:
    assert line in mismatches_of(**tables)


def test_a_special_case_that_one_side_alone_knows() -> None:
    odd = replace(CARDS["rx-mg-dose"], cases=("odd",))
    changed = replace(knowledge(), cards={**CARDS, odd.id: odd})
    assert list(mismatches(changed)) == ["the code has no special case for odd"]
    gut = replace(CARDS["rx-mg-allergy"], cases=())
    changed = replace(knowledge(), cards={**CARDS, gut.id: gut})
    assert list(mismatches(changed)) == ["there is a special case for gut in the code, but no card"]


def test_a_check_of_another_drug_needs_a_card_too(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {**card_checks.OTHER_ORDER_CHECKS, "rx-tea": None}
    monkeypatch.setattr(registered, "OTHER_ORDER_CHECKS", checks)
    assert list(mismatches(knowledge())) == ["there is a check for rx-tea, but no card"]


def test_a_mismatch_stops_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {k: v for k, v in card_checks.HAZARD_CHECKS.items() if k != "mg-hazard-nmj"}
    monkeypatch.setattr(registered, "HAZARD_CHECKS", checks)
    with pytest.raises(KnowledgeError) as raised:
        load_knowledge()
    assert str(raised.value) == (
        "knowledge file cards.json: the code has no check for mg-hazard-nmj"
    )


def test_only_suggestions_and_information_may_be_silenced() -> None:
    silenced = {card.id for card in CARDS.values() if card.may_be_silenced}
    assert silenced == {
        *("mg-suggest", "mg-suggest-reduced", "mg-check-renal", "mg-avoid-renal"),
        *("mg-with-preventive", "mg-with-diuretic", "mg-with-acute"),
    }
    assert {CARDS[card].indicator for card in silenced} == {"info", "warning"}


def test_the_kind_of_a_card_is_what_its_id_promises() -> None:
    kinds = {card.id: card.kind for card in CARDS.values()}
    assert {kinds.pop("mg-low-severe"), kinds.pop("mg-avoid-renal")} == {
        "deficiency",
        "information",
    }
    expected = {"mg-hazard": "hazard", "rx": "order-check"}
    for card, kind in kinds.items():
        start = next((s for s in expected if card.startswith(s)), "")
        assert kind == expected.get(start, "suggestion"), card


def _product_files() -> list[Path]:
    """All files of the product, except stories of synthetic patients, which name what they show."""
    folders = (ROOT / "cds_service", ROOT / "cards")
    endings = {".py", ".json", ".js", ".html", ".css"}
    found = (p for folder in folders for p in folder.rglob("*") if p.suffix in endings)
    return [p for p in found if "sandbox/patients" not in p.as_posix()]


def _said(path: Path) -> str:
    """What a file holds, without the docstrings and comments of Python: prose may name a card."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    module = ast.parse(text)
    prose = {id(n.value) for n in ast.walk(module) if isinstance(n, ast.Expr)}
    found = (n for n in ast.walk(module) if isinstance(n, ast.Constant) and id(n) not in prose)
    return "\n".join(str(node.value) for node in found)


def test_one_file_of_data_and_one_of_code_name_cards() -> None:
    """Nothing tests a card by its id: what a rule needs to know of a card is in the registry."""
    named = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, CARDS))}|mg-hazard|rx-mg)(?![\w])")
    naming = {
        path.relative_to(ROOT).as_posix() for path in _product_files() if named.search(_said(path))
    }
    assert naming == {REGISTRY, CHECKS}


def compared_ids(tree: ast.AST) -> list[str]:
    """The ids of risk factors and cautions with which code compares something."""
    ids = {row.id for row in (*POLICY.risk_factors, *POLICY.cautions)}
    compared = (node for node in ast.walk(tree) if isinstance(node, ast.Compare))
    constants = (n for node in compared for n in ast.walk(node) if isinstance(n, ast.Constant))
    return [str(n.value) for n in constants if n.value in ids]


def test_no_code_compares_with_the_id_of_a_risk_factor_or_caution() -> None:
    """Code reads what a row means: the kind of a risk factor, the place of a caution."""
    named = {
        path.name: ids
        for folder in ("cards", "cds_service/reasoning")
        for path in (ROOT / folder).glob("*.py")
        if (ids := compared_ids(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert named == {}
    assert compared_ids(ast.parse('any(r.id in ("RF4", "RF8") for r in rows)')) == ["RF4", "RF8"]
