"""Whole trials on other hosts: never one arm here and one there, never a verdict for elsewhere."""
