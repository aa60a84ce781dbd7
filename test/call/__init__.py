"""Tests of calls: operations, errors, retries."""
