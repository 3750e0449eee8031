"""Question domains as environments."""
