"""Carries out operations once their requests have been read: each authorizes, looks up and acts.

Every function raises the service's own errors, and runs within one transaction of the store. `actor` is None for a
caller without credentials.
"""
