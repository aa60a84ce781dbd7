"""The program `python -m oxide`, for shell scripts, and for a look at the settings in use."""
