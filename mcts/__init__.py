"""Look-ahead over positions, given any evaluator."""
