"""The assembled transformer and its encoders."""
