"""Who the patient is: age on a day, sex, whether alive."""

from __future__ import annotations

from datetime import date

import msgspec

from cds_service.chart import dates
from cds_service.fhir.wire import Patient

ADMINISTRATIVE_SEX = frozenset({"male", "female"})


class Person(msgspec.Struct, frozen=True):
    """The patient, as far as the rules read it. `sex` is "male", "female" or ""."""

    resource: str = "Patient"
    born: dates.When | None = None
    sex: str = ""
    deceased: bool = False

    def age_at_least(self, day: date) -> int | None:
        """Completed years on `day`, were the birthday as late as it can be; `None` if not known."""
        return None if self.born is None else dates.years_between(self.born.last_day, day)

    def age_at_most(self, day: date) -> int | None:
        """Completed years on `day`, were the birthday as early as it can be; `None` if not known."""
        return None if self.born is None else dates.years_between(self.born.first_day, day)


def read_person(resource: Patient | None, today: date) -> Person:
    """The person in a Patient resource; a date of death after `today` is not a death yet."""
    if resource is None:
        return Person()
    died = dates.parse(resource.deceasedDateTime)
    deceased = (
        resource.deceasedBoolean is True
        or (died is not None and died.first_day <= today)
        or (resource.deceasedDateTime is not None and died is None)
    )
    born = dates.parse(resource.birthDate)
    if born is not None and born.first_day > today:
        born = None
    return Person(
        resource=f"Patient/{resource.id}" if resource.id else "Patient",
        born=born,
        sex=resource.gender if resource.gender in ADMINISTRATIVE_SEX else "",
        deceased=deceased,
    )
