"""The GTP v2 engine around one agent."""
