"""Errors that people meet: each names the thing and the remedy."""


class LinodError(Exception):
    """An error for people: what happened, to what, and what to do about it.

    ``str()`` gives one line; ``exit_code`` is what a command ends with.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


class ConfigurationError(LinodError):
    """SITE.toml, the settings or a folder is missing or wrong."""


class RefusedSite(ConfigurationError):
    """A site that gets no units: its jobs would run as nobody, or as root."""

    exit_code = 2


class RefusedRule(LinodError):
    """A rule of the database or rules.json that cannot become units; ``field`` names the field at fault."""

    exit_code = 2

    def __init__(self, message: str, remedy: str = "", field: str = "") -> None:
        super().__init__(message, remedy)
        self.field = field


class NoSuchRule(LinodError):
    """The named rule does not exist."""

    exit_code = 2


class AlreadyRunning(LinodError):
    """The rule's previous run has not ended yet."""

    exit_code = 75  # EX_TEMPFAIL, sysexits.h
