"""Proof by chaos: kill everything, at every step and at random, and count the copies afterwards."""
