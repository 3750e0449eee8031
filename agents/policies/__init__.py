"""Policies and features extractors."""
