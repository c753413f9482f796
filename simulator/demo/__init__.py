"""`make demo`: a morning at an installation, shown as it happens and checked against what really happened."""
