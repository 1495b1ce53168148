"""The decision tables in full, against a second reading of the rules."""
