"""What happened, in order: events, the table of phases, and the append-only transcript."""
