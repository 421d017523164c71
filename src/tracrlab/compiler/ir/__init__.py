"""The intermediate representation between a program and its components: ``nodes``, their ``text`` and their meaning."""
