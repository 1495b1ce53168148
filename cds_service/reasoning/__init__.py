"""What follows from the chart: pure functions and complete tables. Knows nothing of cards' wording."""
