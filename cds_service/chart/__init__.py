"""The patient as facts with evidence: what the chart says, before anything is concluded."""
