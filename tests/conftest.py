"""What all tests share: no example of a property is late, however busy the machine is."""

from hypothesis import settings

from tests.browser import chromium

__all__ = ["chromium"]  # a fixture, for whoever asks by its name

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
