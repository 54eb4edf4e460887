"""Rules of data loss prevention tried on a text, on one's own machine."""
