"""Held-out evaluation of any agent."""
