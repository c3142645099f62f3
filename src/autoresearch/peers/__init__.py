"""Races against the libraries people use: champion, reference and peers on the same inputs.

A race decides nothing and leaves no row; its figures say where a champion stands, not whether it is
kept.
"""
