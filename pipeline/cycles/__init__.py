"""Cycles: decide cheaply whether there is anything new, run once, remember what became of it, and wait for more."""
