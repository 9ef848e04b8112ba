"""The one exception for mistakes a user can fix."""


class UserError(Exception):
    """A mistake in what the user gave: a config, a file, a flag.

    The message is one sentence: what was found, where, what is allowed, what to do.
    Command-line tools print it and exit with code 2; anything else that is raised is a bug
    in this library and keeps its trace.
    """
