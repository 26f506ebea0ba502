"""What people see of runs: pages that open offline. Knows summaries and details, and nothing of how they came about."""
