"""What a deployment costs a month: dated prices, what we have measured, and a pure model between them."""
