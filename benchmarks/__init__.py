"""The benchmark of the client: `python -m benchmarks` measures it against the floor and the generated client."""
