"""Games between players, and what they say: pairs, plans, workers, logs, standings."""
