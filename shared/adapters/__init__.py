"""One module per outside thing, each implementing a port. Only composition imports them."""
