"""What can end a command, and the exit code that each stands for."""


class EdgeError(Exception):
    """Ends a command with one readable message on standard error and `exit_code`."""

    exit_code = 1


class RunFailed(EdgeError):
    """A node failed, or every variant did."""

    exit_code = 1


class UserError(EdgeError):
    """The user's input is wrong: what must hold, what was given, what to do."""

    exit_code = 2


class WorkspaceInUse(EdgeError):
    """Another run holds the workspace."""

    exit_code = 3
