"""PyTorch for all that trains a transformer or intervenes in one."""
