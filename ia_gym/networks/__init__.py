"""Networks, their optimizer, and the files that they are saved in."""
