"""Credentials kept per host, and CA certificates that can be switched on and off."""
