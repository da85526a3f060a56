"""What is made once for a whole run: which one it is does not depend on a test."""

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Engines come and go with the tests; what SQLAlchemy has compiled for one, the next need not."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - with the store

    from newsletter import database  # noqa: PLC0415 - half of the tests need no store

    kept: dict[str, Any] = {}
    made = create_engine

    def share(*words: Any, **named: Any) -> Any:
        engine: Any = made(*words, **named)
        first = kept.setdefault(engine.dialect.name, engine)
        # SQLAlchemy has no word for it: a statement is compiled for a dialect, not for an engine.
        engine._compiled_cache = first._compiled_cache  # noqa: SLF001 - as said
        engine.dialect = engine.pool._dialect = first.dialect  # noqa: SLF001 - as said
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "create_engine", share)
        yield


@pytest.fixture(scope="session", autouse=True)
def _keys_made_once() -> Iterator[None]:
    """An RSA key is a tenth of a second of dice; what the sandbox signs with may be every test's."""
    from newsletter.sandbox import config  # noqa: PLC0415 - half of the tests need no keys

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "fresh_keys", lru_cache(config.fresh_keys))
        yield


@pytest.fixture(scope="session", autouse=True)
def _templates_compiled_once() -> Iterator[None]:
    """The same of templates: which they are does not depend on a test."""
    from jinja2 import BytecodeCache, Environment  # noqa: PLC0415 - with the pages
    from jinja2.bccache import Bucket  # noqa: PLC0415 - the same

    from newsletter.rendering import typesetting  # noqa: PLC0415 - the same
    from newsletter.web import pages  # noqa: PLC0415 - the same

    class Kept(BytecodeCache):
        def __init__(self) -> None:
            self.code: dict[str, bytes] = {}

        def load_bytecode(self, bucket: Bucket) -> None:
            if bucket.key in self.code:
                bucket.bytecode_from_string(self.code[bucket.key])

        def dump_bytecode(self, bucket: Bucket) -> None:
            self.code[bucket.key] = bucket.bytecode_to_string()

    with pytest.MonkeyPatch.context() as patch:
        for module in (typesetting, pages):
            patch.setattr(module, "Environment", partial(Environment, bytecode_cache=Kept()))
        yield
