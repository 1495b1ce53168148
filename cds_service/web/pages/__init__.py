"""Pages for people, and what they load: evidence, the sandbox, style sheets."""
