"""OData's query options as Graph reads them: from text to values and predicates over JSON. No HTTP here."""
