"""A rehearsal: what the rules would have done to the patients of an export, moment by moment.

It stands on the hooks, next to the web. No hook call imports it. What it needs beyond the service
(Parquet, plots) is in `requirements-rehearsal.txt`.
"""
