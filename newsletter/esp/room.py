"""How many copies fit into one call: providers count them, and weigh them."""

from newsletter.esp import Content, Copy, Esp, Mailing, Request, TooLarge, Traits

_LONGEST_ADDRESS = 254  # characters, RFC 5321


def room(esp: Esp, content: Content, *, longest_value: int = 200) -> int:
    """The most copies of *content* that one call of *esp* can take.

    Weighed by encoding one copy and then two, each with an address as long as
    there can be and values of *longest_value* characters. Raises Unsendable
    when not even one fits, or when the provider cannot take this content: the
    question is worth asking before anybody approves it.
    """
    one, two = (len(esp.encode(_full(content, size, longest_value)).body) for size in (1, 2))
    each = two - one
    return min(esp.traits.copies_per_call, (esp.traits.bytes_per_call - one) // each + 1)


def fitted(request: Request, traits: Traits, provider: str) -> Request:
    """*request*, if the provider takes so large a body. Raises Unsendable."""
    if len(request.body) > traits.bytes_per_call:
        most = f"{traits.bytes_per_call:,} bytes"
        raise TooLarge(provider, f"{request.size} copies of it are more than {most}")
    return request


def _full(content: Content, size: int, longest_value: int) -> Mailing:
    values = ("x" * longest_value,) * len(content.fields)
    copies = [Copy("x" * 64, f"{i}@{'x' * (_LONGEST_ADDRESS - 2)}", values) for i in range(size)]
    return Mailing(
        batch="x" * 64,
        key="00000000-0000-0000-0000-000000000000",
        sender_name="x" * 200,
        sender_address="x" * _LONGEST_ADDRESS,
        reply_to="x" * _LONGEST_ADDRESS,
        content=content,
        copies=copies,
    )
