"""The suite's networks and optimizer, and the files they are saved in."""
