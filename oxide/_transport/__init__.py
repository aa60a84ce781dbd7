"""The wire: one exchange over urllib3, strict and on time."""
