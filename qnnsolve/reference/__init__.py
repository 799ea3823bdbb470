"""What is known, as plain records to print: operators, rules, and both as Markdown."""
