"""The app, and beside it a function that does nothing: what one costs above the other is what the app costs.

Loaded by a worker library in place of `function_app`. The authority's keys are given instead of fetched.
"""

import json
import time
from pathlib import Path

import azure.functions as func

from shared.composition import Composition, read_settings
from shared.graph.signed_token import TrustedKeys, read_signing_keys

_settings = read_settings()
_composition = Composition(_settings)
_composition.tokens.judge.trust(
    TrustedKeys(
        by_kid=read_signing_keys(json.loads(Path(_settings.environ["BENCH_SIGNING_KEYS"]).read_bytes())),
        issuers={"2.0": f"{_settings.authority}/{{tenantid}}/v2.0"},
        fetched=time.time(),
    )
)
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for _part in _composition.blueprints():
    app.register_functions(_part)


@app.function_name("empty")
@app.route("empty", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def empty(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - it does nothing with anything
    """Do nothing."""
    return func.HttpResponse(status_code=202)
