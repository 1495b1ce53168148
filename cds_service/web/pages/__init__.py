"""Web pages and their files: evidence, sandbox, style sheets."""
