"""Architecture search: the space of hyper-parameters, one trial, the next point, the best of all."""
