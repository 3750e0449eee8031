"""Amplification (Christiano et al., 2018): overseers, assistants, trust, curriculum; no torch."""
