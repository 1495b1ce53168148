"""For each check without a finding, whether unknown data could give one.

Each function returns no, or the reason why that is unknown. Only `/explain` calls them. It must
never report "not met" for a check that could not be completed.
"""

from __future__ import annotations

from cds_service import reasons
from cds_service.chart.chart import DRAFTS, Chart
from cds_service.chart.dosage import DailyDose
from cds_service.chart.medications import MedicationUse
from cds_service.reasoning import medicines, person
from cds_service.reasoning.decision import KidneyClass
from cds_service.reasoning.interactions import rows_of
from cds_service.reasoning.kidney import is_of_class
from cds_service.reasoning.magnesium import serum_magnesium
from cds_service.reasoning.magnesium_order import MagnesiumOrder
from cds_service.reasoning.medicines import is_oral_magnesium, perhaps_taken, takes_magnesium
from cds_service.reasoning.order_checks import REDUCED, is_potassium_sparing
from cds_service.reasoning.orders import Drafts
from cds_service.reasoning.verdicts import Verdict, all_hold, any_holds, of_gaps

# ------------------------------------------------------------------ an order of magnesium


def other_magnesium(order: MagnesiumOrder) -> Verdict:
    """Whether more magnesium may be taken or ordered than is known."""
    return any_holds(perhaps_taken(order.chart), _perhaps_ordered(order.chart))


def total_dose(order: MagnesiumOrder) -> Verdict:
    """Whether the sum of the day may be higher than the doses that could be read."""
    return any_holds(_unread_dose(order.doses_of(order.added_to)), other_magnesium(order))


def unread_dose(order: MagnesiumOrder) -> Verdict:
    """Whether a dose that cannot be read may matter, because magnesium may be taken or kidney
    function may be reduced.
    """
    matters = any_holds(perhaps_taken(order.chart), is_of_class(order.chart, *REDUCED))
    return all_hold(order.is_dose_unread, matters)


def age(order: MagnesiumOrder) -> Verdict:
    """Whether the patient may be too young for an antacid or laxative."""
    return reasons.NO_BIRTH_DATE if person.age(order.chart) is None else False


def interaction(order: MagnesiumOrder) -> Verdict:
    """Whether a drug may be taken or ordered that magnesium interferes with."""
    table = order.knowledge.interactions
    taken = perhaps_taken(order.chart, lambda use: bool(rows_of(use, table)))
    return any_holds(taken, _perhaps_ordered(order.chart))


def potassium_sparing(order: MagnesiumOrder) -> Verdict:
    """Whether a potassium-sparing drug and reduced kidney function may meet this order."""
    chart = order.chart
    ordered = any(d.use is not None and is_potassium_sparing(d.use) for d in order.drafts.starting)
    uses = [u for u in medicines.potassium_sparing(chart) if u.reference not in order.gone]
    perhaps = any_holds(perhaps_taken(chart, is_potassium_sparing), _perhaps_ordered(chart))
    return all_hold(any_holds(ordered or bool(uses), perhaps), is_of_class(chart, *REDUCED))


# ------------------------------------------------------------------- current magnesium


def serum(chart: Chart) -> Verdict:
    """Whether the serum magnesium may be high."""
    found = serum_magnesium(chart)
    return (found.why or reasons.MAGNESIUM_NOT_KNOWN) if found.unknown else False


def dose_taken(chart: Chart) -> Verdict:
    """Whether the daily dose may be above a limit that counts for this kidney function."""
    scheduled = [use for use in medicines.oral_magnesium(chart) if use.regular]
    doses = [medicines.dose_of(chart, use) for use in scheduled]
    total = sum(dose.mg for dose in doses if dose.mg is not None)
    above = total > chart.knowledge.parameters.hazard.dose_moderate_above_mg
    lower_limit = all_hold(above, is_of_class(chart, KidneyClass.MODERATE))
    return any_holds(lower_limit, _unread_dose(doses), perhaps_taken(chart))


# -------------------------------------------------------------- an order of another drug


def sparing_order(chart: Chart, use: MedicationUse, drafts: Drafts) -> Verdict:
    """Whether a potassium-sparing order may meet magnesium and reduced kidney function."""
    magnesium = any_holds(_is_ordered(drafts), takes_magnesium(chart), _perhaps_ordered(chart))
    return all_hold(is_potassium_sparing(use), magnesium, is_of_class(chart, *REDUCED))


def spaced_order(chart: Chart, use: MedicationUse, drafts: Drafts) -> Verdict:
    """Whether an order may have to be spaced from magnesium that is taken or ordered.

    Some advice applies only in some kidney classes.
    """
    rows = rows_of(use, chart.knowledge.interactions)
    classes = {KidneyClass(name) for row in rows for name in row.kidney_classes}
    known = _is_ordered(drafts) or bool(medicines.oral_magnesium(chart))
    bound = all_hold(known, bool(classes), is_of_class(chart, *classes))
    return all_hold(bool(rows), any_holds(bound, perhaps_taken(chart), _perhaps_ordered(chart)))


# --------------------------------------------------------------------------------- parts


def _unread_dose(doses: list[DailyDose]) -> Verdict:
    unread = [dose for dose in doses if dose.mg is None]
    return reasons.dose_not_read(unread[-1].why or unread[-1].said) if unread else False


def _perhaps_ordered(chart: Chart) -> Verdict:
    """No, or not known if an order of the call cannot be read."""
    return of_gaps(chart.gaps(DRAFTS))


def _is_ordered(drafts: Drafts) -> bool:
    return any(d.use is not None and is_oral_magnesium(d.use) for d in drafts.starting)
