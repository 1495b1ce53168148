"""The definition of a hook: everything in which hooks differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cds_service.chart.chart import Chart
from cds_service.fhir.drafts import DRAFT_ORDERS
from cds_service.reasoning.orders import Drafts, read_drafts
from cds_service.reasoning.policies import HookPolicy


class Orders(msgspec.Struct, frozen=True):
    """The orders in the context of a hook.

    `member` contains them as a Bundle. `selections` is the member that names the selected orders.
    Without it, all orders are selected. `refills`: they are existing orders to be refilled.
    """

    member: str = DRAFT_ORDERS
    selections: str = ""
    refills: bool = False

    def read(self, chart: Chart, context: Mapping[str, Any]) -> Drafts:
        """The orders of a call."""
        return read_drafts(
            chart,
            context,
            all_selected=not self.selections,
            member=self.member,
            refills=self.refills,
        )

    def context(self, bundle: Mapping[str, Any], selected: list[str]) -> dict[str, Any]:
        """The members of a context with these orders and these selected references."""
        chosen = {self.selections: selected} if self.selections else {}
        return {**chosen, self.member: bundle}


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """One hook. Its context is described by `schemas/<name>.schema.json`.

    `version` is the version of the hook's definition. `moment` describes in the sandbox when an EHR
    calls it. `orders` is `None` if its context has no orders. `at_encounter`: its context names an
    encounter.
    """

    name: str
    title: str
    description: str
    moment: str
    policy: HookPolicy
    version: str = "1.0"
    orders: Orders | None = None
    at_encounter: bool = False

    @property
    def member_of_orders(self) -> str:
        """The member of the context that contains the orders, or "" if there is none."""
        return self.orders.member if self.orders is not None else ""

    def read_orders(self, chart: Chart, context: Mapping[str, Any]) -> Drafts:
        """The orders of a call. Empty if the hook has none."""
        return self.orders.read(chart, context) if self.orders is not None else Drafts()

    def context(
        self,
        user_id: str,
        patient_id: str,
        bundle: Mapping[str, Any],
        selected: list[str],
        encounter_id: str = "unknown",
    ) -> dict[str, Any]:
        """The context of a call that this service makes for itself: sandbox and command line."""
        context: dict[str, Any] = {"userId": user_id, "patientId": patient_id}
        if self.at_encounter:
            context["encounterId"] = encounter_id
        return context | (self.orders.context(bundle, selected) if self.orders else {})
