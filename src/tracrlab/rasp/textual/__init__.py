"""The textual RASP language of Weiss et al. 2021, "Thinking Like Transformers": reading and running programs."""
