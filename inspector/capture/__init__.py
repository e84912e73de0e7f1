"""Packet captures and key logs to byte streams, and back."""
