"""Data loss prevention: rules as data, and where in a message they find something. Pure, and synchronous.

`rules` reads the file to a RuleSet, which scans; `text` takes the texts out of a Graph resource. Not here: what is done
about a match (`shared.handlers.dlp`, `shared.findings`).
"""
