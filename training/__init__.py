"""Who learns, who is better, what runs where."""
