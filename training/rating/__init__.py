"""How strong, from results alone: Bradley-Terry, Elo, and tests."""
