"""Side-by-side measurements; each prints a table and writes `.bench/NAME.json`."""
