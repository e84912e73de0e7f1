"""The report model, which is the JSON format, its builder, and its renderers, which compute nothing."""
