"""Feedback on cards: read it, and report on it.

The package is between `hooks` and `web`. Hook calls do not depend on it. It uses only issued cards,
and neither the rules nor the wording.
"""
