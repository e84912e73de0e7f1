"""`mtls serve`: a server that asks for a client certificate and says what it saw, and the demo PKI."""
