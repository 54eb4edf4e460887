"""A stand-in for Azure Event Hubs that Microsoft's clients accept, started on a free port and stopped again."""
