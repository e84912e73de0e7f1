"""One module a command: generators that yield plans, receive transcripts and return a report."""
