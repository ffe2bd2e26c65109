"""The proxies that scripts/bench compares, each as a private instance on loopback."""
