"""Whether the rules and the site file in force are approved. Only approvals of a present hash count."""

from __future__ import annotations

import msgspec

from cds_service.knowledge.entries import State, are_approved, installed
from cds_service.knowledge.loader import Knowledge
from cds_service.site.model import Approval, Site


class Review(msgspec.Struct, frozen=True):
    """The review states of the knowledge and of the site file, `None` without a site file.

    `approvals` are those of a present hash: of the knowledge, of one of its entries, of the file.
    A file or knowledge that was approved and then changed is in review.
    """

    knowledge: State = State.DRAFT
    site: State | None = None
    approvals: tuple[Approval, ...] = ()

    @property
    def is_approved(self) -> bool:
        """Whether all that is in force is approved. A site file that is not approved changes rules."""
        return self.knowledge is State.APPROVED and self.site in (None, State.APPROVED)

    @property
    def words(self) -> dict[str, str]:
        """The states in words, for operators."""
        said = {"knowledge": self.knowledge.words}
        return said if self.site is None else {**said, "site": self.site.words}


def review(knowledge: Knowledge, site: Site | None) -> Review:
    """The review states of the knowledge and of a site file."""
    approvals = site.file.approvals if site is not None else ()
    subjects = frozenset(approval.of for approval in approvals)
    whole = f"knowledge {knowledge.hash}"
    file = f"site {site.hash}" if site is not None else ""
    known = whole in subjects or are_approved(installed(), subjects)
    return Review(
        knowledge=_state("knowledge ", subjects, approved=known),
        site=None if site is None else _state("site ", subjects, approved=file in subjects),
        approvals=tuple(a for a in approvals if a.of in (whole, file) or a.of.startswith("entry ")),
    )


def _state(kind: str, subjects: frozenset[str], *, approved: bool) -> State:
    if approved:
        return State.APPROVED
    earlier = any(subject.startswith(kind) for subject in subjects)
    return State.IN_REVIEW if earlier else State.DRAFT
