"""Tests that keep the client near the floor; none of them reads a clock."""
