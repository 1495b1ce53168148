"""Errors of the store. The message is the kind of the cause, and contains no value."""

from __future__ import annotations


class StoreError(Exception):
    """The store failed to do an operation."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or is busy. The operation may succeed later."""


class StoreRefusedError(StoreError):
    """The store rejects the data, and always will."""


class StoreOpeningError(StoreUnavailableError):
    """The store is being opened for the first time in this process, which may take some seconds."""
