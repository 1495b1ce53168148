"""What is known, as data: value sets, drugs, parameters, tables, evidence, wording."""
