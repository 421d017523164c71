"""A laboratory for interpretability methods: models whose circuit is known, and how well methods find it."""
