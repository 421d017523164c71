"""The interactive prompt of textual RASP."""
