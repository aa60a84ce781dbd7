"""What the operations do once a request has been read: authorize, look up, act.

Every function raises the service's own errors, and runs within one transaction of the store. `actor` is None for a
caller without credentials.
"""
