"""Whom we talk to and as whom: settings, secrets, hosts, proxies, credentials, TLS."""
