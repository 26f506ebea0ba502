"""Structured pruning: whole channels leave the model, and a smaller model of the same form is built."""
