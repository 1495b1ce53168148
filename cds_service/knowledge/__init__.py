"""The clinical knowledge as data: value sets, drugs, parameters, tables, evidence, wording."""
