"""Decisions from the chart: pure functions and complete tables. Does not depend on the wording of cards."""
