"""The arithmetic of deciding, pure: no clock, no disk, no global random state, numpy only."""
