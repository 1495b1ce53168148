"""What can go wrong with the store. The text of each is the kind of its cause, and no value."""

from __future__ import annotations


class StoreError(Exception):
    """The store did not do what was asked."""


class StoreUnavailableError(StoreError):
    """It cannot be reached, or is busy. The same may work later."""


class StoreRefusedError(StoreError):
    """It does not take what it was given, and never will."""
