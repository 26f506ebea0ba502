"""The gate's mathematics: paired bounds, bootstrap and the decision; NumPy and SciPy only."""
