"""TLS on the wire, without I/O: records, messages, extensions, decryption, and a writer for ClientHello."""
