"""Trained agents as assistants of the overseer."""
