"""What a user is told in one line."""


class UserError(Exception):
    """A mistake of the user's: shown as one line, exit code 2."""
