"""Pure functions over a parsed pipeline spec, one module for each concern; none changes what it is given."""
