"""`honte bench`: the speed of every part, beside what the machine could do."""
