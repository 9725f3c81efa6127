"""Validation: all that is wrong with data, found when msgspec has said that something is."""
