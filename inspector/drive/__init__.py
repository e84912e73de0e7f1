"""The one driver: sockets, name resolution, deadlines and the selectors loop."""
