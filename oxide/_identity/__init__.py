"""Who calls and where: settings, secrets, hosts, proxies, credentials, TLS."""
