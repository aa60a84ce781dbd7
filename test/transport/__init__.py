"""Tests of the transport, over real sockets, against servers and proxies that fail on purpose."""
