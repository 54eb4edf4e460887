"""The findings for the security team: `GET /api/manage/findings` and its summary, with a function key."""

import azure.functions as func

from shared.finding_reading import Answer, FindingReading


def build(reading: FindingReading) -> func.Blueprint:
    """Register the functions ``findings`` and ``findings_summary``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("findings")
    @blueprint.route("manage/findings", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def findings(req: func.HttpRequest) -> func.HttpResponse:
        """Page through findings, the newest first, as JSON or CSV."""
        return _http(await reading.page(req.params, accept=req.headers.get("accept", "")))

    @blueprint.function_name("findings_summary")
    @blueprint.route("manage/findings/summary", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def findings_summary(req: func.HttpRequest) -> func.HttpResponse:
        """Count findings of a time by rule and severity."""
        return _http(await reading.summary(req.params))

    return blueprint


def _http(answer: Answer) -> func.HttpResponse:
    headers = {"Link": answer.link} if answer.link else None
    return func.HttpResponse(answer.body, status_code=answer.status, headers=headers, mimetype=answer.content_type)
