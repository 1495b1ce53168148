"""The tables of the second evaluator: what is recorded, and what it means.

Each row names a way in which a fact is recorded. `cases.py` says how it looks in FHIR.
"""

from __future__ import annotations

from typing import NamedTuple

# SPEC 1: which recorded migraine counts. The value is the subtype, None where it does not count.
MIGRAINE: dict[str, str | None] = {
    "plain": "plain",
    "aura": "aura",
    "chronic": "chronic",
    "menstrual": "menstrual",
    "menstrual-snomed": "menstrual",
    "snomed": "plain",
    "icd9": "plain",
    "recurrence": "plain",
    "relapse": "plain",
    "no-status-problem-list": "plain",  # status test 2
    "no-status-recorded-730": "plain",  # status test 2, 11.19
    "no-status-recorded-731": None,
    "no-status-no-date": None,
    "nonqualifying": None,
    "cyclical-vomiting": None,
    "history-code": None,
    "cluster": None,
    "refuted": None,  # status test 1
    "entered-in-error": None,
    "unconfirmed": None,
    "provisional": None,
    "differential": None,  # 11.19
    "resolved": None,
    "inactive": None,
    "remission": None,
    "abated": None,  # status test 3
    "text-only": None,
    "german-certain": "plain",  # 12.1 U-11
    "german-suspected": None,
    "german-excluded": None,
    "german-over": None,
}


class Risk(NamedTuple):
    """`factor`: the risk factor for deficiency (SPEC 2), None where it does not count.

    `renal`: what it says about the kidneys. None: nothing. `feature`: a renal-risk feature
    (3.3, K-2). `short`: that, and a good eGFR counts for 183 days only (N-4). `kidney`: that, and
    it is a disease or history of the kidneys (M-4).
    """

    factor: str | None
    renal: str | None = None


RISK: dict[str, Risk] = {
    # RF1
    "diabetes": Risk("RF1", "feature"),
    "diabetes-type-1": Risk("RF1", "feature"),
    "diabetes-gestational": Risk(None),
    "prediabetes": Risk(None),
    "diabetes-provisional": Risk(None, "feature"),  # section 3 accepts what is not yet sure
    "diabetes-resolved": Risk(None),
    # RF2
    "alcohol": Risk("RF2"),
    "alcohol-abuse": Risk("RF2"),
    "alcohol-remission": Risk(None),
    "alcohol-use-unspecified": Risk(None),
    # RF3; 11.16: only heart-failure codes are a renal risk
    "heart-failure": Risk("RF3", "short"),
    "cardiomyopathy": Risk("RF3"),
    "cad": Risk("RF3"),
    "af": Risk("RF3"),
    "mi-resolved": Risk("RF3"),  # status test 4: a past event counts
    "hypertension": Risk(None),
    # RF4; 11.16: any diuretic is a renal risk, as-needed too, not an injection
    "loop": Risk("RF4", "short"),
    "thiazide": Risk("RF4", "short"),
    "loop-statement": Risk("RF4", "short"),
    "loop-prn": Risk(None, "short"),
    "loop-prn-words": Risk(None, "short"),  # N-8
    "loop-injection": Risk(None),
    "loop-stopped": Risk(None),
    "loop-730": Risk("RF4", "short"),  # medication test: authored within 730 d
    "loop-731": Risk(None),
    "loop-731-valid": Risk("RF4", "short"),  # unless a later validity end
    "loop-undated": Risk("RF4", "short"),  # 11.11
    # N-8: a course that ended more than 30 days ago proves no present use, so it is no RF4. It is
    # still on the list as active: what only makes the service more careful keeps counting it.
    "loop-course-30": Risk("RF4", "short"),
    "loop-course-31": Risk(None, "short"),
    "combo": Risk(None, "short"),
    "ksparing": Risk(None, "short"),
    "acetazolamide": Risk(None, "short"),
    # RF5
    "ppi-90": Risk("RF5"),
    "ppi-89": Risk(None),
    "ppi-undated": Risk(None),  # 2: 90 days must be shown
    "ppi-prn": Risk(None),  # 11.13
    "vonoprazan": Risk("RF5"),  # M-17
    # RF6
    "hypomagnesaemia": Risk("RF6"),
    # RF7
    "crohn": Risk("RF7"),
    "coeliac": Risk("RF7"),
    "bariatric-resolved": Risk("RF7"),
    # RF8; 11.13: the windows run from authoredOn
    "cisplatin-180": Risk("RF8"),
    "cisplatin-181": Risk(None),
    "cisplatin-undated": Risk(None),
    "gentamicin-30": Risk("RF8"),
    "gentamicin-31": Risk(None),
    "gentamicin-no-route": Risk(None),
    "tobramycin-inhaled": Risk(None),
    "tacrolimus": Risk("RF8", "short"),
    "tacrolimus-ointment": Risk(None),
    # U-6: what would follow is Unknown: no factor, and for the kidneys it counts as there.
    "loop-without-status": Risk(None, "short"),
    "tacrolimus-of-unknown-status": Risk(None, "short"),
    "ppi-without-status": Risk(None),
    "patiromer": Risk("RF8"),
    "polystyrene": Risk(None),
    "cetuximab": Risk("RF8"),  # M-17
    "amivantamab": Risk("RF8"),  # M-17, 12.7.11
    # none of these
    "sglt2": Risk(None),
    "digoxin": Risk(None),
    # K-2: diseases and history of the kidneys
    "polycystic": Risk(None, "kidney"),
    "nephrotic-resolved": Risk(None, "kidney"),  # counts when past
    "one-kidney": Risk(None, "kidney"),
    "kidney-donor": Risk(None, "kidney"),
    "kidney-disorder": Risk(None, "kidney"),
    "kidney-disorder-resolved": Risk(None),  # does not count when past
    "polycystic-refuted": Risk(None),
    # S-1: conditions that are nothing but co-indications here
    "epilepsy": Risk(None),
    "epilepsy-resolved": Risk(None),
    "essential-tremor": Risk(None),
    "depression": Risk(None),
}
UNCLEAR = {"loop-without-status", "tacrolimus-of-unknown-status", "ppi-without-status"}
ANTI_EGFR = {"cetuximab", "amivantamab"}

# K-1, K-2: kidney operations. `transplant` is B10; all but "nothing" are a kidney history.
PROCEDURES: dict[str, str] = {
    "transplant": "transplant",
    "transplant-undated": "transplant",
    "transplant-in-progress": "transplant",
    "transplant-regime": "transplant",
    "transplant-follow-up": "transplant",
    "transplant-not-done": "nothing",
    "transplant-entered-in-error": "nothing",
    "autotransplant": "history",
    "graft-removed": "history",
    "donor-follow-up": "history",
    "nephrectomy": "history",
    "nephrectomy-not-done": "nothing",
    "appendectomy": "nothing",
}

# SPEC 4.2, B2 to B6, B8, B10. Only these make a patient ineligible; the rest look like them.
BLOCKS = {
    "avblock-2": "B2",
    "avblock-3": "B2",
    "avblock-3-provisional": "B2",
    "myasthenia": "B3",
    "myasthenia-differential": "B3",  # 11.19
    "ileus": "B4",
    "obstruction": "B4",
    "hypermag-dx": "B5",
    "allergy-ingredient": "B6",
    "allergy-oxide": "B6",
    "allergy-text": "B6",
    "allergy-no-status": "B6",  # 11.20
    "allergy-rash": "B6",
    "allergy-gut-and-rash": "B6",  # M-12: limited to the gut only
    "allergy-low-and-rash": "B6",
    "allergy-not-low": "B6",
    "pregnant": "B8",
    "pregnant-300": "B8",
    "pregnant-observation": "B8",
    "transplant": "B10",
}
# M-12: an intolerance of the gut. Not a block: a card of its own on an order.
GUT = {"intolerance-diarrhoea", "intolerance-nausea-code", "intolerance-low"}
HARMLESS = {
    "avblock-1",
    "avblock-3-paced",
    "avblock-3-refuted",
    "myasthenia-refuted",
    "ileus-resolved",
    "allergy-refuted",
    "allergy-entered-in-error",
    "allergy-resolved",
    "allergy-esomeprazole-text",
    "allergy-denied",  # U-12
    "pregnant-301",
    "not-pregnant-observation",
}


class Interaction(NamedTuple):
    """SPEC 4.4 and the second interaction table. `salts`: with which magnesium it counts.

    `otherwise`: the indicator with another salt, where the interaction is weaker, not absent.
    """

    indicator: str
    salts: str = "any"  # a key of SALTS
    otherwise: str | None = None


DRUGS: dict[str, Interaction | None] = {
    "ciprofloxacin": Interaction("warning"),
    "doxycycline": Interaction("warning"),
    "dolutegravir": Interaction("warning"),
    "mycophenolate": Interaction("warning"),
    "penicillamine": Interaction("warning"),
    "eltrombopag": Interaction("warning"),
    "polystyrene": Interaction("warning", "strong", otherwise="info"),
    "patiromer": Interaction("info"),  # its own indicator within the class
    "levothyroxine": Interaction("info"),
    "alendronate": Interaction("info"),
    "gabapentin": Interaction("info"),
    "iron": Interaction("info"),
    "itraconazole": Interaction("info", "neutralising"),
    "posaconazole": None,  # M-18: no interaction
    "nitrofurantoin": Interaction("info", "trisilicate"),  # M-18
    "rosuvastatin": Interaction("info", "neutralising"),
    "digoxin": Interaction("info", "neutralising"),
    "velpatasvir": Interaction("warning", "neutralising"),
    "nilotinib": Interaction("warning", "neutralising"),
    "sotalol": Interaction("warning", "neutralising"),
    "levodopa": Interaction("warning", "neutralising"),
    "ciprofloxacin-eye": None,  # oral routes only
    "ciprofloxacin-injection": None,
    "amlodipine": None,
}
NEUTRALISING = {"oxide", "hydroxide", "carbonate", "trisilicate"}
SALTS: dict[str, set[str]] = {
    "neutralising": NEUTRALISING,
    "trisilicate": {"trisilicate"},
    # The note on sodium polystyrene, and antacids of every salt.
    "strong": {"hydroxide", "oxide", "carbonate", "citrate", "trisilicate"},
}
# The salt of the products that are not supplements.
SALT_OF = {
    "antacid": "hydroxide",
    "hydroxide-tablet": "hydroxide",
    "laxative": "citrate",
    "laxative-antacid": "hydroxide",
    "bowel-prep": "oxide",
    "trisilicate-antacid": "trisilicate",
}

# SPEC 6.2: what an order starts. 11.8: routes; 11.9: thiazide combinations.
TRIGGERS: dict[str, str | None] = {
    "loop": "diuretic",
    "thiazide": "diuretic",
    "thiazide-lisinopril": "diuretic",
    "loop-injection": None,
    "acetazolamide": None,
    "preventive-specific": "preventive",
    "topiramate": "preventive",
    "metoprolol": "preventive",
    "amitriptyline": "preventive",
    "timolol-eye": None,
    "metoprolol-injection": None,
    "acute": "acute",
    "acute-nasal": "acute",
    "acute-injection": "acute",
    "rimegepant": "preventive",  # in both lists: the rule that stands first
    "unrelated": None,
}
TRIGGER_ORDER: list[str | None] = ["diuretic", "preventive", "acute"]
# S-1: what else a non-specific preventive may be ordered for; remission and past ones do not count
# (11.19), a past myocardial infarction does (status test 4).
COINDICATIONS: dict[str, set[str]] = {
    "topiramate": {
        "epilepsy",
        "essential-tremor",
        "alcohol",
        "alcohol-abuse",
        "alcohol-use-unspecified",
    },
    "metoprolol": {"hypertension", "heart-failure", "cardiomyopathy", "cad", "af", "mi-resolved"},
    "amitriptyline": {"depression"},
}

ORAL_MAGNESIUM = {
    "supplement",
    "antacid",
    "hydroxide-tablet",
    "trisilicate-antacid",
    "laxative",
    "laxative-antacid",
    "bowel-prep",
    "multivitamin",
    "salicylate",
}
ANTACIDS = {"antacid", "hydroxide-tablet", "trisilicate-antacid"}  # 12.7.17: hydroxide as tablets
LAXATIVES = {"laxative", "laxative-antacid", "bowel-prep"}  # 12.7.9, 12.7.17
NOT_SUPPLEMENTS = ANTACIDS | LAXATIVES
# The magnesium that needs distance from other drugs (6.2, V111): 11.12 leaves out the rest.
SPACED = NOT_SUPPLEMENTS | {"supplement"}

# How magnesium is recorded, and whether it counts as taken (U-5, U-6, U-13).
RECORDED_AS: dict[str, bool] = {
    "order": True,
    "order-without-status": True,
    "order-of-unknown-status": True,
    "order-of-another-status": True,  # no FHIR code
    "statement": True,
    "statement-without-status": True,
    "reported-plan": True,
    "reported-proposal": True,
    "contradictory": True,
    "ingredient": True,
    "plan": False,
    "on-hold": False,
    "entered-in-error": False,
}

# M-15: magnesium that was taken before. True: a supplement stopped within 24 months.
STOPPED: dict[str, bool] = {
    "stopped-180": True,
    "completed-180": True,
    "statement-ended-180": True,
    "stopped-720": True,
    "stopped-740": False,
    "statement-ended-720": True,
    "statement-ended-740": False,
    "antacid-stopped-180": False,
    "entered-in-error-180": False,
}

RESULT_STATUSES = {"final", "amended", "corrected"}
REQUIRED_KEYS = {"patient", "conditions", "medicationRequests"}
OPTIONAL_KEYS = {
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
}

# 12.1 U-7, U-14: entries in a house code, and the prefetch key of which they make a part unknown.
UNREAD: dict[str, str] = {
    "kidney-words": "conditions",
    "myasthenia-words": "conditions",
    "avblock-words": "conditions",
    "bowel-words": "conditions",
    "pregnancy-words": "conditions",
    "gfr-words": "kidneyLabs",
    "creatinine-words": "kidneyLabs",
    "magnesium-words": "magnesiumLabs",
    "unknown-drug": "medicationRequests",
}
# What names nothing of a safety set is "not readable" for /explain and changes no card.
UNREAD_HARMLESS = {"other-condition-words", "other-result-words"}

# Order of cards of one indicator: as the rule list of SPEC 6.4 (V88: dose before duplicate). With
# section 12 the bowel card can be critical: it stands with those that can.
CARD_ORDER = [
    "mg-hazard-renal",
    "mg-hazard-hypermag",
    "mg-hazard-dose",
    "mg-hazard-bowel",
    "mg-hazard-nmj",
    "rx-mg-renal-critical",
    "rx-mg-hypermag",
    "rx-mg-allergy",
    "rx-mg-bowel",
    "mg-low-severe",
    "mg-avoid-renal",
    "mg-suggest-reduced",
    "mg-check-renal",
    "mg-suggest",
    "mg-with-diuretic",
    "mg-with-preventive",
    "mg-with-acute",
    "rx-mg-renal-caution",
    "rx-mg-renal-unknown",
    "rx-mg-avblock",
    "rx-mg-nmj",
    "rx-mg-dose",
    "rx-mg-dose-unknown",
    "rx-mg-duplicate",
    "rx-mg-age",
    "rx-mg-pregnancy",
    "rx-mg-interaction",
    "rx-ksparing-ckd",
    "rx-mg-not-checked",
]
INDICATOR_ORDER = ["critical", "warning", "info"]
MAX_CARDS = 3
