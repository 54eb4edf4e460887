"""An alert about one finding, as a CloudEvents 1.0 JSON event. Pure. It never has the text, nor a part of it.

Its ``id`` is the finding's: however often it is sent, a receiver counts one.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
from typing import Final

from shared.findings import ListedFinding
from shared.graph.timestamp import write_timestamp

TYPE: Final = "Earshot.Dlp.Finding"


def write_finding_event(listed: ListedFinding) -> bytes:
    """Write one alert."""
    message, finding = listed.message, listed.finding
    event = {
        "specversion": "1.0",
        "id": finding.id,
        "type": TYPE,
        "source": f"/tenants/{message.tenant_id}/subscriptions/{message.subscription}",
        "subject": message.resource,
        "time": write_timestamp(finding.found),
        "datacontenttype": "application/json",
        "data": {
            **listed.printed,
            "resource": message.resource,
            "sender": message.sender,
            "sent": write_timestamp(message.sent) if message.sent else None,
            "link": message.link,
            "changeKey": finding.change_key,
        },
    }
    return json.dumps(event, separators=(",", ":")).encode("ascii")
