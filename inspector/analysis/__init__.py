"""Pure judgements over transcripts and credentials: no OpenSSL, no I/O, the time is passed in."""
