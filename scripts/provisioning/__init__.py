"""Everything around the templates that only `az` can do: steps that look first, change what differs, and say which it was.

Standard library only, because a hook runs where nothing is installed but Python 3.11 and the command-line tools. Of the app it
imports nothing but Graph's catalogue, which is pure. Not here: resources (`bicep/`) and the app's code (`azd deploy`).
"""
