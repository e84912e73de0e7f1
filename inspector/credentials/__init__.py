"""Keys and certificates in every common form; throw-away ones in `mint`."""
