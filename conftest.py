"""What holds for every test of the repository."""

from hypothesis import settings

# A busy machine makes an example slow without making anything wrong; tests that hang have a timeout.
settings.register_profile("olo", deadline=None)
settings.load_profile("olo")
