"""The only importer of OpenSSL: TLS over memory BIOs, no sockets, no clock."""
