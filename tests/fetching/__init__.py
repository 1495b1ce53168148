"""Fetching what a call did not bring, against real HTTP servers on the loopback address."""
