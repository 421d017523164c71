"""Small tools that scripts import."""
