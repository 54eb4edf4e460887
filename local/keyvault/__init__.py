"""An Azure Key Vault for one machine: the smallest server that the official clients accept."""
