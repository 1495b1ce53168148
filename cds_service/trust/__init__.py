"""Trusted clients, their keys, and the tokens that they send.

This package does not depend on the web framework. Only one module uses HTTP: it fetches key sets
from configured addresses.
"""
