"""What can be wrong about an account, each in one sentence for whoever wanted it."""


class AccountError(Exception):
    """Base for every refusal about accounts."""


class NoSuchAccount(AccountError):
    """Nobody of that name or address may come in here."""

    def __init__(self, who: str) -> None:
        super().__init__(f"There is no account {who}; `newsletter accounts list` shows them.")
        self.who = who


class AccountExists(AccountError):
    """The address or the name has an account already."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"That {what} belongs to the account of {name} already.")
        self.what, self.name = what, name


class NoRoles(AccountError):
    """An account without a role opens nothing."""

    def __init__(self) -> None:
        super().__init__("An account needs at least one role: reader, editor or operator.")


class NoName(AccountError):
    """The log of changes names people, so everybody has a name."""

    def __init__(self) -> None:
        super().__init__("An account needs a name of at most 120 characters: the log shows it.")


class LastOperator(AccountError):
    """Without an operator nobody could let anybody in."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is the last operator; make somebody else one first.")
        self.name = name


class WeakPassword(AccountError):
    """The password would be guessed; the message says what a better one has."""


class NoSuchZone(AccountError):
    """No clock shows that zone."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"There is no time zone {zone!r}; it is written like Europe/Berlin.")
        self.zone = zone


class WrongCode(AccountError):
    """Not the code of this moment, used before, or made by another device."""

    def __init__(self) -> None:
        super().__init__("That code is not right, or it was used already; wait for the next one.")


class TokenNameTaken(AccountError):
    """A token is known by its name, and ended by it."""

    def __init__(self, name: str) -> None:
        said = f"There is a token {name!r} already" if name else "A token needs a name"
        super().__init__(f"{said}; name it after the program that will hold it.")
        self.name = name


class NoSuchToken(AccountError):
    """That account has no token of that name."""

    def __init__(self, who: str, name: str) -> None:
        super().__init__(f"{who} has no token {name!r}; `newsletter accounts tokens` lists them.")
        self.who, self.name = who, name


class WrongPassword(AccountError):
    """A change of password asks for the one that holds."""

    def __init__(self) -> None:
        super().__init__("That is not the password that you have now.")
