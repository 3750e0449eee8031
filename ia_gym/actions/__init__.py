"""The overseer of actions, and a simulator of tabular environments."""
