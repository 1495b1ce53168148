"""Value sets: which sets a coding belongs to.

Code systems are recognised by their canonical URL and by the OIDs and older URLs that EHRs send, in
any spelling. Only `Terminology.canonical` normalises them (SPEC 12.1, U-7). A code belongs to a set
if the set lists it, or (ICD only) if it has one of the set's prefixes and is not excluded. The
longest prefix takes precedence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec


class CodeSystem(msgspec.Struct, frozen=True, gc=False):
    """A code system, its canonical URL and the other identifiers that EHRs send for it.

    `beginnings` and `within` are compared with a normalised identifier (see `normalised`): it
    begins with the first or contains the second. `form` is the pattern of its codes, "" for any
    code.
    """

    id: str
    url: str
    title: str
    style: str
    also: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    form: str = ""


class SetCode(msgspec.Struct, frozen=True, gc=False):
    """One code of a value set, with the attributes that rules use."""

    system: str
    code: str
    display: str = ""
    sources: tuple[int, ...] = ()
    qualifies: bool = True
    subtype: tuple[str, ...] = ()
    tier: str = ""
    stage: str = ""
    grade: str = ""
    preference: int = 0
    unit: str = ""
    default_unit: str = ""
    use: bool = True
    secondary: bool = False
    resource: str = "Condition"
    match: str = "code"
    past_counts: bool = False


class Prefix(msgspec.Struct, frozen=True, gc=False):
    """All codes with this prefix belong to the set, except those with an excluded prefix."""

    system: str
    prefix: str
    display: str = ""
    excluded: tuple[str, ...] = ()
    qualifies: bool = True
    subtype: tuple[str, ...] = ()
    tier: str = ""
    stage: str = ""
    grade: str = ""
    past_counts: bool = False


class ValueSet(msgspec.Struct, frozen=True, gc=False):
    """A value set as in the knowledge files."""

    id: str
    title: str
    version: str
    status: str
    purpose: str
    sources: tuple[str, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    text: tuple[str, ...] = ()
    codes: tuple[SetCode, ...] = ()
    ingredients_without_code: tuple[str, ...] = ()


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A coding belongs to this set, because of this code or prefix."""

    set_id: str
    entry: SetCode
    matched: str


_DOT_AFTER = {"icd10": 3, "icd9": 3}
_ICD_MARKS = "+*!#\u2020\u2021 .-"
"""What stands behind ICD codes and is none of them: dagger and asterisk, gaps ("N18.-")."""
_INTERNATIONAL_LENGTH = 5
"""Characters of an ICD-10 code without its dot, outside the United States: a longer code is one of
another system (the German Alpha-ID has OIDs beside those of ICD-10-GM)."""
_OID = re.compile(r"(?:urn:)?(?:oid:)?(\d+(?:\.\d+)+)", re.ASCII)
_SCHEME = re.compile(r"https?:/*(?:www\.)?", re.ASCII)
_SEEN_MAX = 4096
_SEEN_LENGTH_MAX = 256
_FOUND_MAX = 20_000


def normalised(system: str) -> str:
    """The same form for all spellings of a code system's identifier.

    It has no version ("|4.0"), no final slash, no URL scheme and no "www.". It is in lower case,
    and an OID begins with "urn:oid:".
    """
    key = system.partition("|")[0].strip().lower().rstrip("/")
    oid = _OID.fullmatch(key)
    return f"urn:oid:{oid.group(1)}" if oid else _SCHEME.sub("", key, count=1)


class Terminology:
    """The index over all value sets of codes (drug products are in `drugs`)."""

    def __init__(self, systems: Sequence[CodeSystem], sets: Iterable[ValueSet]) -> None:
        self._seen: dict[str, str | None] = {a: s.url for s in systems for a in (s.url, *s.also)}
        self._named = {normalised(alias): url for alias, url in self._seen.items()}
        self._beginnings = tuple((b, s.url) for s in systems for b in s.beginnings)
        self._within = tuple((part, s.url) for s in systems for part in s.within)
        self._styles = {s.url: s.style for s in systems}
        self._forms = {s.url: re.compile(s.form, re.ASCII) for s in systems if s.form}
        self._icd10 = _url_with_id(systems, "icd10")
        self._icd10cm = _url_with_id(systems, "icd10cm")
        # One dictionary a system, shared by all its names: the hottest look-up of a call.
        self._codes: dict[str, dict[str, tuple[Hit, ...]]] = {s.url: {} for s in systems}
        self._plain = {
            alias: self._codes[s.url]
            for s in systems
            if s.style == "plain"
            for alias in (s.url, *s.also)
        }
        self._members: dict[tuple[frozenset[str], str], dict[str, tuple[Hit, ...]]] = {}
        self._prefixes: dict[tuple[str, str], tuple[tuple[Hit, tuple[str, ...]], ...]] = {}
        self._undotted: dict[tuple[str, str], tuple[Hit, ...]] = {}
        self._found: dict[tuple[str, str], tuple[Hit, ...]] = {}
        for value_set in sets:
            self._add(value_set)

    def canonical(self, system: str | None) -> str | None:
        """The canonical URL of a code system, or `None` where it is not one the rules know.

        What was seen is looked up; the memory of it is bounded, so that made-up systems cannot
        fill it.
        """
        if system is None:
            return None
        try:
            return self._seen[system]
        except KeyError:
            pass
        url = self._resolved(normalised(system))
        if len(self._seen) < _SEEN_MAX and len(system) <= _SEEN_LENGTH_MAX:
            self._seen[system] = url
        return url

    def reads(self, system: str | None, code: str | None) -> bool:
        """Whether a coding can be read: of a system the rules know, and a code of its form.

        A coding that can be read and belongs to no value set says that it is none of these.
        """
        url = self.canonical(system)
        if url is None or not code:
            return False
        plain = code if self._styles[url] == "plain" else self._icd_code(url, code)
        form = self._forms.get(url)
        return plain is not None and (form is None or form.fullmatch(plain) is not None)

    def hits(self, system: str | None, code: str | None) -> tuple[Hit, ...]:
        """Every value set that a coding belongs to; none for codes and systems not known."""
        if code is None or system is None:
            return ()
        plain = self._plain.get(system)
        if plain is not None:
            return plain.get(code, ())
        coding = (system, code)
        found = self._found.get(coding)
        if found is None:
            found = self._hits(system, code)
            if len(self._found) < _FOUND_MAX and len(system) + len(code) <= _SEEN_LENGTH_MAX:
                self._found[coding] = found
        return found

    def _hits(self, system: str, code: str) -> tuple[Hit, ...]:
        """The same, without looking at what was found before."""
        url = self.canonical(system)
        if url is None:
            return ()
        if self._styles[url] == "plain":
            return self._codes[url].get(code, ())
        dotted = self._icd_code(url, code)
        if dotted is None:
            return ()
        return (*self._icd_hits(url, dotted), *self._undotted.get((url, code), ()))

    def _resolved(self, key: str) -> str | None:
        named = self._named.get(key)
        if named is not None:
            return named
        found = [url for beginning, url in self._beginnings if key.startswith(beginning)]
        found += [url for part, url in self._within if part in key]
        return found[0] if found else None

    def _icd_code(self, url: str, code: str) -> str | None:
        """An ICD code with its dot, or `None` for one that this ICD cannot hold."""
        plain = code.strip().upper().rstrip(_ICD_MARKS)
        if url == self._icd10 and "." not in plain and len(plain) > _INTERNATIONAL_LENGTH:
            return None
        return _dotted(plain, self._styles[url])

    def codes_of(self, set_ids: frozenset[str], url: str) -> Mapping[str, tuple[Hit, ...]]:
        """The codes of one plain system in these sets: a shortcut for long lists of results."""
        known = self._members.get((set_ids, url))
        if known is None:
            known = self._members[set_ids, url] = {
                code: mine
                for code, hits in self._codes[url].items()
                if (mine := tuple(h for h in hits if h.set_id in set_ids))
            }
        return known

    def _icd_hits(self, url: str, code: str) -> tuple[Hit, ...]:
        exact = self._codes[url].get(code, ())
        hits = (*exact, *self._prefix_hits(url, code, {h.set_id for h in exact}))
        if url != self._icd10:
            return hits
        # The international ICD-10 and its national versions agree with ICD-10-CM on categories
        # and their first subdivision, not beyond it.
        have = {h.set_id for h in hits}
        return (
            *hits,
            *(h for h in self._icd_hits(self._icd10cm, code[:5]) if h.set_id not in have),
        )

    def _prefix_hits(self, url: str, code: str, have: set[str]) -> Iterable[Hit]:
        for length in range(len(code), 2, -1):
            for hit, excluded in self._prefixes.get((url, code[:length]), ()):
                if hit.set_id not in have and not code.startswith(excluded):
                    have.add(hit.set_id)
                    yield hit

    def _add(self, value_set: ValueSet) -> None:
        for entry in value_set.codes:
            hit = Hit(value_set.id, entry, entry.match)
            key = (entry.system, entry.code)
            if entry.match == "prefix":
                self._prefixes[key] = (*self._prefixes.get(key, ()), (hit, ()))
            codes = self._codes.setdefault(entry.system, {})
            codes[entry.code] = (*codes.get(entry.code, ()), Hit(value_set.id, entry, "code"))
            if entry.resource == "Procedure" and self._styles.get(entry.system) == "icd9":
                # ICD-9-CM has its dot elsewhere in procedures: without it, 55.69 would be 556.9.
                undotted = (entry.system, entry.code.replace(".", ""))
                self._undotted[undotted] = (*self._undotted.get(undotted, ()), hit)
        for p in value_set.prefixes:
            entry = SetCode(
                system=p.system,
                code=p.prefix,
                display=p.display,
                qualifies=p.qualifies,
                subtype=p.subtype,
                tier=p.tier,
                stage=p.stage,
                grade=p.grade,
                past_counts=p.past_counts,
            )
            key = (p.system, p.prefix)
            hit = Hit(value_set.id, entry, "prefix")
            self._prefixes[key] = (*self._prefixes.get(key, ()), (hit, p.excluded))


def _url_with_id(systems: Sequence[CodeSystem], system_id: str) -> str:
    for system in systems:
        if system.id == system_id:
            return system.url
    raise ValueError(f"the code system {system_id} is missing")


def _dotted(plain: str, style: str) -> str:
    """An ICD code in its usual form, with the dot that some EHRs leave out."""
    at = _DOT_AFTER[style]
    if "." in plain or len(plain) <= at:
        return plain
    if style == "icd9" and plain.startswith("E"):
        at += 1
    return f"{plain[:at]}.{plain[at:]}"


def codes_in(
    sets: Mapping[str, ValueSet], set_id: str, system: str, resource: str | None = None
) -> list[str]:
    """The codes of one system in a value set, in file order, for prefetch templates."""
    return [
        c.code
        for c in sets[set_id].codes
        if c.system == system and c.use and (resource is None or c.resource == resource)
    ]
