"""Tests of configuration, credentials, TLS, proxies and secrecy, against real servers, proxies and files."""
