"""Amplify^H(X): overseers, assistants, transcripts' making, trust and curriculum. No torch here."""
