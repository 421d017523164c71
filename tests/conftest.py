"""What all tests share."""

from hypothesis import settings

settings.register_profile("tracrlab", deadline=None)  # machines differ, and runtime type checks take their time
settings.load_profile("tracrlab")
