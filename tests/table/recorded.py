"""How each name of the tables is recorded: the codes, statuses and dates behind it."""

from __future__ import annotations

from typing import Any

from tests.support import fhir

# ------------------------------------------------------------------------------- conditions

GERMAN = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
HOUSE = "http://example.org/house-codes"

MIGRAINE: dict[str, dict[str, Any]] = {
    "plain": {"code": "G43.009"},
    "aura": {"code": "G43.109"},
    "chronic": {"code": "G43.709"},
    "menstrual": {"code": "G43.829"},
    "menstrual-snomed": {"code": "23186000", "system": "snomed"},
    "snomed": {"code": "37796009", "system": "snomed"},
    "icd9": {"code": "346.10", "system": "icd-9-cm"},
    "recurrence": {"code": "G43.009", "clinical": "recurrence"},
    "relapse": {"code": "G43.009", "clinical": "relapse"},
    "no-status-problem-list": {"code": "G43.009", "clinical": None, "recorded_days": 2000},
    "no-status-recorded-730": {
        "code": "G43.009",
        "clinical": None,
        "category": "encounter-diagnosis",
        "recorded_days": 730,
    },
    "no-status-recorded-731": {
        "code": "G43.009",
        "clinical": None,
        "category": "encounter-diagnosis",
        "recorded_days": 731,
    },
    "no-status-no-date": {
        "code": "G43.009",
        "clinical": None,
        "category": "encounter-diagnosis",
        "recorded_days": None,
    },
    "nonqualifying": {"code": "G43.D0"},
    "cyclical-vomiting": {"code": "G43.A0"},
    "history-code": {"code": "161481007", "system": "snomed"},
    "cluster": {"code": "G44.009"},
    "refuted": {"code": "G43.009", "verification": "refuted"},
    "entered-in-error": {
        "code": "G43.009",
        "verification": "entered-in-error",
        "clinical": None,
    },
    "unconfirmed": {"code": "G43.009", "verification": "unconfirmed"},
    "provisional": {"code": "G43.009", "verification": "provisional"},
    "differential": {"code": "G43.009", "verification": "differential"},
    "resolved": {"code": "G43.009", "clinical": "resolved"},
    "inactive": {"code": "G43.009", "clinical": "inactive"},
    "remission": {"code": "G43.009", "clinical": "remission"},
    "abated": {"code": "G43.009", "clinical": None, "abated_days": 50},
    "text-only": {"text": "Migraine without aura"},
    "german-certain": {"code": "G43.0", "system": GERMAN, "verification": None},
    "german-suspected": {"code": "G43.0", "system": GERMAN, "verification": None},
    "german-excluded": {"code": "G43.0", "system": GERMAN, "verification": None},
    "german-over": {"code": "G43.0", "system": GERMAN, "verification": None},
}
# ICD-10-GM: how certain a coding is (12.1 U-11).
CERTAINTY = {
    "german-certain": "G",
    "german-suspected": "V",
    "german-excluded": "A",
    "german-over": "Z",
}

RISK_CONDITIONS: dict[str, dict[str, Any]] = {
    "diabetes": {"code": "E11.9"},
    "diabetes-type-1": {"code": "E10.9"},
    "diabetes-gestational": {"code": "O24.410", "recorded_days": 1095},
    "prediabetes": {"code": "R73.03"},
    "diabetes-provisional": {"code": "E11.9", "verification": "provisional"},
    "diabetes-resolved": {"code": "E11.9", "clinical": "resolved"},
    "alcohol": {"code": "F10.20"},
    "alcohol-abuse": {"code": "F10.10"},
    "alcohol-remission": {"code": "F10.21"},
    "alcohol-use-unspecified": {"code": "F10.90"},
    "heart-failure": {"code": "I50.9"},
    "cardiomyopathy": {"code": "I42.0"},
    "cad": {"code": "I25.10"},
    "af": {"code": "I48.91"},
    "mi-resolved": {"code": "I21.9", "clinical": "resolved"},
    "hypertension": {"code": "I10"},
    "hypomagnesaemia": {"code": "E83.42"},
    "crohn": {"code": "K50.90"},
    "coeliac": {"code": "K90.0"},
    "bariatric-resolved": {"code": "Z98.84", "clinical": "resolved"},
    "polycystic": {"code": "Q61.2"},
    "polycystic-refuted": {"code": "Q61.2", "verification": "refuted"},
    "nephrotic-resolved": {"code": "N04.9", "clinical": "resolved"},
    "one-kidney": {"code": "Z90.5"},
    "kidney-donor": {"code": "Z52.4"},
    "kidney-disorder": {"code": "N28.9"},
    "kidney-disorder-resolved": {"code": "N28.9", "clinical": "resolved"},
    "epilepsy": {"code": "G40.909"},
    "epilepsy-resolved": {"code": "G40.909", "clinical": "resolved"},
    "essential-tremor": {"code": "G25.0"},
    "depression": {"code": "F32.1"},
}

# U-7: nobody reads the code, the words name something that matters.
CONDITION_WORDS = {
    "kidney-words": "Chronic kidney disease, stage 5",
    "myasthenia-words": "Myasthenia gravis",
    "avblock-words": "AV block, third degree",
    "bowel-words": "Ileus",
    "pregnancy-words": "Pregnant, second trimester",
    "other-condition-words": "Fracture of the wrist",
}
RESULT_WORDS = {
    "gfr-words": ("kidneyLabs", "GFR, estimated", 90, "mL/min/{1.73_m2}"),
    "creatinine-words": ("kidneyLabs", "Creatinine, serum", 0.8, "mg/dL"),
    "magnesium-words": ("magnesiumLabs", "Magnesium, serum", 2.0, "mg/dL"),
    "other-result-words": ("kidneyLabs", "Haemoglobin", 13, "g/dL"),
}

BLOCK_CONDITIONS: dict[str, list[dict[str, Any]]] = {
    "avblock-1": [{"code": "I44.0"}],
    "avblock-2": [{"code": "I44.1"}],
    "avblock-3": [{"code": "I44.2"}],
    "avblock-3-provisional": [{"code": "I44.2", "verification": "provisional"}],
    "avblock-3-paced": [{"code": "I44.2"}, {"code": "Z95.0"}],
    "avblock-3-refuted": [{"code": "I44.2", "verification": "refuted"}],
    "myasthenia": [{"code": "G70.00"}],
    "myasthenia-differential": [{"code": "G70.00", "verification": "differential"}],
    "myasthenia-refuted": [{"code": "G70.00", "verification": "refuted"}],
    "ileus": [{"code": "K56.7", "recorded_days": 3}],
    "obstruction": [{"code": "K56.609", "recorded_days": 3}],
    "ileus-resolved": [{"code": "K56.7", "recorded_days": 90, "clinical": "resolved"}],
    "hypermag-dx": [{"code": "E83.41"}],
    "pregnant": [{"code": "Z34.01", "recorded_days": 60}],
    "pregnant-300": [{"code": "Z34.01", "recorded_days": 300}],
    "pregnant-301": [{"code": "Z34.01", "recorded_days": 301}],
    "transplant": [{"code": "Z94.0", "recorded_days": 900}],
}

DIARRHOEA = fhir.concept(text="diarrhoea")
NAUSEA = fhir.concept("422587007", "snomed", display="Nausea")
RASH = fhir.concept("271807003", "snomed", text="skin rash")

BLOCK_ALLERGIES: dict[str, dict[str, Any]] = {
    "allergy-ingredient": {"code": "6574"},
    "allergy-oxide": {"code": "6582"},
    "allergy-text": {"text": "Magnesium supplements"},
    "allergy-no-status": {"code": "6574", "clinical": None},
    "allergy-refuted": {"code": "6574", "verification": "refuted"},
    "allergy-entered-in-error": {
        "code": "6574",
        "verification": "entered-in-error",
        "clinical": None,
    },
    "allergy-resolved": {"code": "6574", "clinical": "resolved"},
    "allergy-esomeprazole-text": {"text": "esomeprazole magnesium"},
    "allergy-denied": {"text": "Denies allergy to magnesium"},
    "allergy-rash": {"code": "6582", "manifestations": [RASH]},
    "allergy-gut-and-rash": {"code": "6582", "manifestations": [DIARRHOEA, RASH]},
    "allergy-low-and-rash": {"code": "6582", "criticality": "low", "manifestations": [RASH]},
    "allergy-not-low": {"code": "6582", "criticality": "unable-to-assess"},
    # M-12
    "intolerance-diarrhoea": {"code": "6582", "type": None, "manifestations": [DIARRHOEA]},
    "intolerance-nausea-code": {"code": "6582", "type": "allergy", "manifestations": [NAUSEA]},
    "intolerance-low": {"code": "6582", "criticality": "low"},
}

PREGNANCY_ANSWERS = {
    "pregnant-observation": ("77386006", "LA15173-0"),
    "not-pregnant-observation": ("60001007", "LA26683-5"),
}

CKD_CODES = {
    "1": "N18.1",
    "2": "N18.2",
    "3": "N18.30",
    "3a": "N18.31",
    "3b": "N18.32",
    "4": "N18.4",
    "5": "N18.5",
    "5D": "N18.6",
    "unspecified": "N18.9",
}

# ------------------------------------------------------------------------------ medications

# name: (RxNorm code, further arguments of the request)
RISK_MEDICATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "loop": ("313988", {}),
    "thiazide": ("310798", {}),
    "loop-prn": ("313988", {"prn": True}),
    "loop-prn-words": ("313988", {"dosage": fhir.dosage(None, text="1 tablet if needed")}),
    "loop-course-30": ("313988", {"authored_days": 200, "validity_end_days": 30}),
    "loop-course-31": ("313988", {"authored_days": 200, "validity_end_days": 31}),
    "loop-injection": ("1719286", {}),
    "loop-stopped": ("313988", {"status": "stopped"}),
    "loop-730": ("313988", {"authored_days": 730}),
    "loop-731": ("313988", {"authored_days": 731}),
    "loop-731-valid": ("313988", {"authored_days": 731, "validity_end_days": -30}),
    "loop-undated": ("313988", {"authored_days": None}),
    "combo": ("198316", {}),
    "ksparing": ("313096", {}),
    "acetazolamide": ("197304", {}),
    "ppi-90": ("606726", {"authored_days": 90}),
    "ppi-89": ("606726", {"authored_days": 89}),
    "ppi-undated": ("606726", {"authored_days": None}),
    "ppi-prn": ("606726", {"authored_days": 400, "prn": True}),
    "cisplatin-180": ("309311", {"authored_days": 180}),
    "cisplatin-181": ("309311", {"authored_days": 181}),
    "cisplatin-undated": ("309311", {"authored_days": None}),
    "gentamicin-30": ("313996", {"authored_days": 30}),
    "gentamicin-31": ("313996", {"authored_days": 31}),
    "gentamicin-no-route": ("1596450", {"authored_days": 5}),
    "tobramycin-inhaled": ("348719", {"authored_days": 5}),
    "tacrolimus": ("1431980", {}),
    "tacrolimus-ointment": ("313189", {}),
    "loop-without-status": ("313988", {"status": None}),
    "tacrolimus-of-unknown-status": ("1431980", {"status": "unknown"}),
    "ppi-without-status": ("606726", {"status": None, "authored_days": 200}),
    "patiromer": ("1716209", {}),
    "polystyrene": ("313072", {}),
    "sglt2": ("1545658", {}),
    "digoxin": ("197604", {}),
    "vonoprazan": ("2604800", {"authored_days": 200}),
    "cetuximab": ("1657663", {"authored_days": 30}),
    "amivantamab": ("2549732", {"authored_days": 30}),
}

INTERACTING = {
    "ciprofloxacin": "309309",
    "doxycycline": "1650143",
    "dolutegravir": "1433873",
    "mycophenolate": "199058",
    "penicillamine": "198070",
    "eltrombopag": "825421",
    "levothyroxine": "966221",
    "alendronate": "904419",
    "gabapentin": "310431",
    "iron": "310325",
    "itraconazole": "311204",
    "nitrofurantoin": "1648759",
    "rosuvastatin": "859747",
    "digoxin": "197604",
    "polystyrene": "313072",
    "patiromer": "1716209",
    "posaconazole": "1482908",
    "velpatasvir": "1799212",
    "nilotinib": "746606",
    "sotalol": "1923426",
    "levodopa": "197444",
    "ciprofloxacin-eye": "309307",
    "ciprofloxacin-injection": "1665210",
    "amlodipine": "197361",
}

TRIGGERS = {
    "loop": "313988",
    "thiazide": "197499",
    "thiazide-lisinopril": "197885",
    "loop-injection": "1719286",
    "acetazolamide": "197304",
    "ksparing": "313096",
    "combo": "198316",
    "preventive-specific": "2045636",
    "topiramate": "199888",
    "metoprolol": "866514",
    "amitriptyline": "856834",
    "timolol-eye": "1992303",
    "metoprolol-injection": "866508",
    "acute": "313161",
    "acute-nasal": "401978",
    "acute-injection": "1657151",
    "rimegepant": "2282313",
    "unrelated": "197361",
}

# Magnesium that is no supplement, by subtype.
MAGNESIUM_PRODUCTS = {
    "antacid": "242623",
    "laxative": "1052760",
    "laxative-antacid": "253017",
    "bowel-prep": "2626364",
    "multivitamin": "1293413",
    "salicylate": "198742",
    "parenteral": "1658244",
    "topical": "1167260",
    "hydroxide-tablet": "790436",
    "trisilicate-antacid": "731000",
    "phosphate-binder": "V03AE04",
}
# Elemental milligrams in a unit of these (the figures of the product list).
UNIT_OF: dict[str, tuple[float, str]] = {
    "antacid": (45.9, "tablet"),
    "hydroxide-tablet": (166.8, "tablet"),
    "laxative": (9.43, "mL"),
    "laxative-antacid": (33.36, "mL"),
    "multivitamin": (50, "capsule"),  # ambiguous: the higher counts (4.3)
}
GLYCINATE = "476818"  # ingredient: the words say whether the milligrams are elemental
OXIDE = "6582"  # ingredient: its milligrams are those of the salt (N-7)
OXIDE_SHARE = 0.603
OXIDE_400 = "198741"  # 241 mg elemental a tablet
OXIDE_TABLET_MG = 241
GLYCINATE_100 = "849497"  # 100 mg a tablet, which may be elemental: the safe reading

REASONS = {
    "migraine": {"code": "G43.009", "system": "icd-10-cm"},
    "other": {"code": "I10", "system": "icd-10-cm"},
}

# Further arguments of the request, by how the magnesium is recorded.
TAKEN_AS: dict[str, dict[str, Any]] = {
    "order-without-status": {"status": None},
    "order-of-unknown-status": {"status": "unknown"},
    "order-of-another-status": {"status": "current"},
    "reported-plan": {"intent": "plan"},
    "reported-proposal": {"intent": "proposal"},
    "plan": {"intent": "plan"},
    "on-hold": {"status": "on-hold"},
    "entered-in-error": {"status": "entered-in-error"},
}
OMEPRAZOLE = "198051"

# M-15: the status, and where the magnesium stood. The number is days ago.
STOPPED_AS: dict[str, dict[str, Any]] = {
    "stopped": {"code": OXIDE_400, "status": "stopped"},
    "completed": {"code": OXIDE_400, "status": "completed"},
    "statement-ended": {"code": OXIDE_400},
    "antacid-stopped": {"code": MAGNESIUM_PRODUCTS["antacid"], "status": "stopped"},
    "entered-in-error": {"code": OXIDE_400, "status": "entered-in-error"},
}
UNREAD_DOSE = fhir.dosage(None, times_per_day=None, text="2 heaped scoops with the main meal")

# By preference.
EGFR_CODES = {1: "98979-8", 2: "62238-1", 3: "33914-3", 4: "48642-3", 5: "48643-1"}

# name: (SNOMED code, days ago, status)
DIALYSIS: dict[str, tuple[str, int | None, str]] = {
    "procedure-90": ("302497006", 90, "completed"),
    "procedure-91": ("302497006", 91, "completed"),
    "in-progress-400": ("302497006", 400, "in-progress"),
    "procedure-not-done": ("302497006", 10, "not-done"),
}
KIDNEY_OPERATIONS: dict[str, tuple[str, int | None, str]] = {
    "transplant": ("70536003", 2000, "completed"),
    "transplant-undated": ("70536003", None, "completed"),
    "transplant-in-progress": ("70536003", 0, "in-progress"),
    "transplant-regime": ("711446003", 900, "completed"),
    "transplant-follow-up": ("428645009", 200, "completed"),
    "transplant-not-done": ("70536003", 400, "not-done"),
    "transplant-entered-in-error": ("70536003", 400, "entered-in-error"),
    "autotransplant": ("175899003", 900, "completed"),
    "graft-removed": ("265550007", 900, "completed"),
    "donor-follow-up": ("429496005", 900, "completed"),
    "nephrectomy": ("175905003", 2000, "completed"),
    "nephrectomy-not-done": ("175905003", 2000, "not-done"),
    "appendectomy": ("80146002", 900, "completed"),
}

# Of a required key of which some was withheld something must have come, else there is no answer
# but 412 (U-1). No rule asks for these.
BESIDE_THE_WITHHELD = {
    "conditions": [fhir.condition("E78.5", id="harmless")],
    "medicationRequests": [fhir.medication_request("723", id="harmless")],
}
