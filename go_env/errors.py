"""The one kind of error that a user sees: a single line that says what is wrong and what to do."""


class HonteError(ValueError):
    """Bad input or an impossible request: the command line prints one line and exits with 2."""


class IllegalMove(HonteError):
    """A move that the rules of the game at hand forbid."""
