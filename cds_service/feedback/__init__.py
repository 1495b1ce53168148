"""What became of the cards: reading what clients report, and learning from it.

A room of its own between `hooks` and `web`: hook calls do not know it, and it knows neither the
rules nor the wording of a card, only what was issued.
"""
