"""Who the patient is: age on a day, sex, whether alive."""

from __future__ import annotations

from datetime import date

import msgspec

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.reading import Reader
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import Patient

ADMINISTRATIVE_SEX = frozenset({"male", "female"})
GENDERS = ADMINISTRATIVE_SEX | {"other", "unknown"}
"""The codes of FHIR. The equation reports a missing sex itself, so other codes are only listed."""


class Person(msgspec.Struct, frozen=True):
    """The patient, as far as the rules read it. `sex` is "male", "female" or ""."""

    resource: str = "Patient"
    born: dates.When | None = None
    sex: str = ""
    deceased: bool = False

    def age_at_least(self, day: date) -> int | None:
        """Completed years on `day` for the latest possible birthday, or `None` if not known."""
        return None if self.born is None else dates.years_between(self.born.last_day, day)

    def age_at_most(self, day: date) -> int | None:
        """Completed years on `day` for the earliest possible birthday, or `None` if not known."""
        return None if self.born is None else dates.years_between(self.born.first_day, day)


def read_person(content: Content[Patient], today: date, *, reader: Reader) -> Person:
    """The person in a Patient resource; a date of death after `today` is not a death yet."""
    resource = content.entries[0].resource if content.entries else None
    if resource is None:
        return Person()
    name = f"Patient/{resource.id}" if resource.id else "Patient"
    born = reader.date(resource.birthDate, name, "birthDate")
    if born is not None and born.first_day > today:
        reader.record_unreadable(name, "birthDate", reasons.BORN_LATER)
        born = None
    if resource.gender is not None and resource.gender not in GENDERS:
        reader.record_unsupported(name, "gender", reasons.NO_FHIR_CODE)
    died = reader.date(resource.deceasedDateTime, name, "deceasedDateTime")
    # A date of death that cannot be read is a death.
    unreadable = died is None and (
        resource.deceasedDateTime is not None
        or any(lost.element == "deceasedDateTime" for lost in content.unread)
    )
    dead = died is not None and died.first_day <= today
    return Person(
        resource=name,
        born=born,
        sex=resource.gender if resource.gender in ADMINISTRATIVE_SEX else "",
        deceased=resource.deceasedBoolean is True or dead or unreadable,
    )
