"""The page on which a person chooses who to be, since nobody here has a password that matters."""

import html
from collections.abc import Sequence

from yarl import URL

from local.graph.tenant.places import Person

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { display: grid; place-items: center; min-height: 100vh; margin: 0; background: light-dark(#f6f7f9, #14171c); color: light-dark(#1b2230, #e6eaf1) }
main { width: min(26rem, calc(100vw - 3rem)); padding: 1.5rem 0 }
h1 { font-size: 1.3rem; margin: 0 } p { margin: .2rem 0 1.2rem; color: light-dark(#566072, #a3adbd) }
ul { list-style: none; margin: 0; padding: 0; max-height: 65vh; overflow-y: auto; border: 1px solid light-dark(#dfe3ea, #2e3540); border-radius: .7rem }
a { display: grid; padding: .6rem 1rem; color: inherit; text-decoration: none }
a:hover, a:focus-visible { background: light-dark(#e4edff, #22314d) } li + li { border-top: 1px solid light-dark(#dfe3ea, #2e3540) }
small { color: light-dark(#566072, #a3adbd) }
"""


def print_choice(url: URL, people: Sequence[Person]) -> str:
    """Print the page: each person is a link to the same address, which names them."""
    links = "".join(_link(url, person) for person in people)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in</title><style>{_STYLE}</style>'
    words = "<h1>Who are you?</h1><p>The simulator believes whatever you say: nobody here has a password.</p>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{words}<ul>{links}</ul></main></body></html>'


def _link(url: URL, person: Person) -> str:
    target = html.escape(str(url.update_query(login_hint=person.address).relative()))
    return f'<li><a href="{target}">{html.escape(person.name)}<small>{html.escape(person.address)}</small></a></li>'
