"""The facade: exactly what a target may import, loaded on first use."""
