"""Whole trials on other hosts: never one arm here and one there, and never a verdict for elsewhere."""
