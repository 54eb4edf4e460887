"""A group's members over the real adapter: absolute links to the next page, and a token that goes to Graph alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from shared.adapters.credential import Credential
from shared.adapters.graph_api import GraphApi
from shared.group_members import GroupMembers
from tests.contracts.twins import present

GROUP = "abcdef00-0000-4000-8000-00000000000a"


@dataclass
class Served:
    """A Graph of one group with three pages; its links name another host, as behind a gateway."""

    url: str = ""
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        page = int(request.query.get("$skiptoken", "0 ").split()[0])
        users = [{"@odata.type": "#microsoft.graph.user", "id": f"u{page}{number}"} for number in range(2)]
        found: dict[str, object] = {"value": [*users, {"@odata.type": "#microsoft.graph.group", "id": "g"}]}
        if page < 2:
            found["@odata.nextLink"] = (
                f"https://elsewhere.example/v1.0/groups/{GROUP}/transitiveMembers?$skiptoken={page + 1}%20x"
            )
        return web.json_response(found)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made = Served()
    app = web.Application()
    app.router.add_get("/v1.0/groups/{group}/transitiveMembers", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def test_every_page_is_asked_of_graph_itself(served: Served) -> None:
    credential = Credential(lambda: lambda _: ("token", 4e9))
    graph = GraphApi(endpoint=served.url, credential=credential, scope="https://graph.example/.default")

    members = await GroupMembers(graph, present).read([GROUP])
    graph.close()

    assert members == {GROUP: ("u00", "u01", "u10", "u11", "u20", "u21")}
    assert len(served.asked) == 3
    assert served.asked[0] == f"/v1.0/groups/{GROUP}/transitiveMembers?$select=id&$top=999"
