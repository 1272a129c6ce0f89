"""Whatever turns a position into a move, and its parameters."""
