"""Who calls: a person, known by the token that they showed for our API."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A signed-in person. ``user_id`` is their object id in their tenant, in lower case; ``name`` is for showing, never for deciding."""

    user_id: str
    tenant_id: str
    name: str = field(default="", repr=False)
