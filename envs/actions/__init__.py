"""Approval of actions: a wrapper for other environments, and the registered games."""
