"""Kidney function in one line."""

from __future__ import annotations

from cards.markdown import escape
from cards.naming import day, evidence_text, quantity
from cards.phrases import Phrases, non_empty
from cds_service.knowledge.loader import Knowledge
from cds_service.reasoning.decision import Kidney, KidneyClass

MOST_OTHERS = 4
_PREFETCH_KEY = "kidneyLabs"
_UNUSABLE = "unusable_newer"


def kidney_line(kidney: Kidney, missing: frozenset[str], knowledge: Knowledge) -> str:
    """The class in words, its basis with date, and remarks.

    `missing` are the prefetch keys that were not available.
    """
    phrases = Phrases(knowledge)
    parts = (
        _nothing(kidney, missing, phrases) or phrases[f"kidney.{kidney.kidney_class}"],
        _basis(kidney, phrases),
        *(_flag(flag, phrases) for flag in kidney.flags),
        _others(kidney, phrases),
    )
    return phrases["list.semicolon"].join(non_empty(parts))


def _basis(kidney: Kidney, phrases: Phrases) -> str:
    evidence = kidney.evidence
    if kidney.basis == "none":
        return ""
    if kidney.basis not in {"eGFR", "creatinine"} or evidence is None:
        return (
            evidence_text(evidence, phrases) if evidence else escape(phrases.words(kidney.reason))
        )
    date = day(evidence.date)
    said = phrases.fill(
        f"kidney.{kidney.basis.lower()}" + ("" if date else ".undated"),
        egfr=escape(kidney.egfr_text),
        creatinine=quantity(evidence, phrases),
        date=date,
    )
    return f"{said} ({escape(phrases.words(evidence.note))})" if said and evidence.note else said


def _nothing(kidney: Kidney, missing: frozenset[str], phrases: Phrases) -> str:
    """The reason why no result shows a class."""
    if kidney.kidney_class is not KidneyClass.UNKNOWN or kidney.basis != "none":
        return ""
    if _UNUSABLE in kidney.flags:
        return ""  # there are results, and the flag says what is wrong with them
    if _PREFETCH_KEY in missing:
        return phrases["kidney.unknown.missing"]
    on_file = kidney.evidence is not None or bool(kidney.others)
    return phrases["kidney.unknown.old" if on_file else "kidney.unknown.none"]


def _flag(flag: str, phrases: Phrases) -> str:
    return phrases.first_of(f"kidney.flag.{flag}") or escape(flag)


def _others(kidney: Kidney, phrases: Phrases) -> str:
    """Other data on file. If the class has no basis, this is all there is."""
    on_file = list(kidney.others)
    if kidney.evidence is not None:
        basis = kidney.evidence
        on_file = [e for e in on_file if (e.resource, e.code) != (basis.resource, basis.code)]
        if kidney.basis == "none":
            on_file.insert(0, basis)
    others = list(dict.fromkeys(evidence_text(e, phrases) for e in on_file))
    more = len(others) - MOST_OTHERS
    if more > 0:
        others[MOST_OTHERS:] = [f"+ {more}"]
    return phrases.fill("kidney.others", others=" / ".join(others))
