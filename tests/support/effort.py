"""How hard the property tests try: a third as hard where every commit waits for them."""

import os


def examples(many: int) -> int:
    """*many* examples, or a third of them under CI."""
    return max(10, many // 3) if os.environ.get("CI") else many
