"""A strict stand-in for `az`, and for what `azd` does for a hook: for tests and for trying the hooks without a subscription.

It takes only what the real CLI's own parsers take (`reference.json`), answers in the real one's shapes from a file that it keeps, and
refuses in the real one's words. Not here: any Azure behind it, and what is not asked for by this repository.
"""
