"""What cycles share, on this machine and on a cluster: what they depend on, how they decide, what is kept of them."""
