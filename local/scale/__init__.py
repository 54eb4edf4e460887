"""Which limit is met first at so many changes a day, and which parameter moves it: limits as data, loads from figures of ours."""
