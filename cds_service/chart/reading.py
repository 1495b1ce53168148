"""Reading the elements of one prefetch key, and recording unreadable ones.

Only here do bytes become values in `chart` and `reasoning`. Every failure to decode is recorded
with key, resource and element, and a fact that could depend on it is Unknown (SPEC 12.1).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.chart import dates
from cds_service.fhir.reading import Shape, Unread
from cds_service.reasons import Reason

T = TypeVar("T")


class NotReadable(msgspec.Struct, frozen=True, gc=False):
    """An element of the call that could not be read: prefetch key, resource, element and reason.

    `resource` is named as in evidence; `element` is a path inside it, "" for the whole resource.
    """

    key: str
    resource: str
    element: str
    why: Reason


class Reader:
    """Reads elements of the resources of one prefetch key (or "draftOrders").

    Recorded failures make the key partly known: facts that are not found are Unknown. Mentioned
    ones are only listed and leave the key known, for example a diagnosis in an unsupported code
    system.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._found: dict[NotReadable, bool] = {}
        self.noted = 0
        """The number of recorded failures. A result that rests on `lost` is valid until this number
        grows.
        """

    @property
    def not_readable(self) -> tuple[NotReadable, ...]:
        """Everything that could not be read so far, each once, in the order it was met."""
        return tuple(self._found)

    @property
    def lost(self) -> tuple[NotReadable, ...]:
        """The failures that make the key partly known."""
        if not self.noted:
            return ()
        return tuple(found for found, noted in self._found.items() if noted)

    @property
    def is_partial(self) -> bool:
        """Whether anything makes the key partly known."""
        return any(self._found.values())

    def read(self, shape: Shape[T], raw: Raw, resource: str, element: str) -> T | None:
        """The readable part of an element, or `None` if it is absent or unreadable."""
        return self.read_parts(shape, raw, resource, element)[0]

    def read_whole(self, shape: Shape[T], raw: Raw, resource: str, element: str) -> T | None:
        """The value of an element if every part of it can be read. Otherwise `None`, and it is
        recorded.

        For values whose meaning changes without a lost part: a quantity without its unit or
        comparator.
        """
        value, unread = self.read_parts(shape, raw, resource, element)
        return None if unread else value

    def read_parts(
        self, shape: Shape[T], raw: Raw, resource: str, element: str, *, matters: bool = True
    ) -> tuple[T | None, tuple[Unread, ...]]:
        """The readable part of an element and its unreadable parts, which are recorded.

        With `matters` false they are only mentioned, because the rest may be enough.
        """
        if not is_there(raw):
            return None, ()
        value, unread = shape.read(raw)
        record = self.record_unreadable if matters else self.record_unsupported
        for part in unread:
            inner = part.element
            joined = f"{element}{'' if not inner or inner.startswith('[') else '.'}{inner}"
            record(resource, joined, part.why)
        return value, unread

    def date(self, text: str | None, resource: str, element: str) -> dates.When | None:
        """A date of any FHIR precision, or `None` if it is missing or not a FHIR date.

        The second case is recorded. The resource is then undated, which must never make it harmless
        (SPEC 12.1 U-4).
        """
        if text is None:
            return None
        when = dates.parse(text)
        if when is None:
            self.record_unreadable(resource, element, reasons.NOT_A_DATE)
        return when

    def record_unreadable(self, resource: str, element: str, why: Reason) -> None:
        """Record that an element cannot be read: the key is then known only in part."""
        self._found[NotReadable(self.key, resource, element, why)] = True
        self.noted += 1

    def record_unsupported(self, resource: str, element: str, why: Reason) -> None:
        """Record an unreadable part that leaves the key known, such as a code of an unsupported system."""
        self._found.setdefault(NotReadable(self.key, resource, element, why), False)


def is_there(raw: Raw) -> bool:
    """Whether an element is there at all: JSON null is as good as nothing."""
    written = memoryview(raw)
    return len(written) > 0 and bytes(written[:4]) != b"null"
