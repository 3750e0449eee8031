"""The overseer of actions, and simulators it tries actions in."""
