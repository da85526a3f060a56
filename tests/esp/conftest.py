"""Property tests here run on machines that others share: no example is late."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

from tests.esp.sandboxes import running, sandbox  # noqa: E402, F401 - fixtures, after the profile
