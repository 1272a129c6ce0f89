"""Q-learning and policy gradients on the same Go: their own loop, in the shape of the main one."""
