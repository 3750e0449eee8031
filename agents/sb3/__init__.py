"""What Stable-Baselines3 needs: the vector bridge and callbacks."""
