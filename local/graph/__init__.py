"""Microsoft Graph as a simulator: Entra's tokens, subscriptions, a small Microsoft 365, and push delivery.

It shares no code with the app that it tests: its encryption, its tokens and its view of clientState are its own, so that one
mistake cannot hide another. Not here: anything that decides how a receiver should work.
"""
