"""Learners with SB3's interface, one algorithm a file."""
