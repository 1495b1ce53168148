"""The patient as facts with evidence, before any conclusion."""
