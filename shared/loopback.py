"""This machine: the one place to which secrets may go unencrypted."""

from urllib.parse import urlsplit


def is_loopback(host: str | None) -> bool:
    return host in {"127.0.0.1", "localhost"}


def leads_to_loopback(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname)
