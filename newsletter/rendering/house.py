"""What every mail says about who sends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class House:
    """What every mail says about us. *public_url* is where readers' links begin."""

    publication: str
    public_url: str
    postal_address: str
    sender_domain: str
    comparison_address: str = ""  # with ``{slug}`` in it
    tagline: str = "New AI tools ship daily. We compare them before you waste an afternoon."

    @property
    def list_id(self) -> str:
        """The list's name for machines (RFC 2919); it must never change."""
        return f"weekly.{self.sender_domain}"
