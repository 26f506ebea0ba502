"""The parts of a run's page: each turns facts into what its template shows, or says in a line why there is nothing."""
