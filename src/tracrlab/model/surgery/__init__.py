"""Models made over, artefact to artefact, for architectures that ask for it: the answers stay the same."""
