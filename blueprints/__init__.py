"""One module a trigger family. Each translates: the trigger's object to a value, the verdict back to the trigger."""
