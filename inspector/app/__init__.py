"""What is spoken over the channel, and before it: conversations that move no bytes themselves."""
