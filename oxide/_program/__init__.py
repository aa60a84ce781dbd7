"""The program `python -m oxide`, for jobs in any language and for a look at what is set up."""
