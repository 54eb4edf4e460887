"""What the simulator says to a person at a terminal when it is ready: where it is, and the first three things to do."""

from typing import TYPE_CHECKING

from local.graph.cli.places import DEFAULT_URL

if TYPE_CHECKING:
    from local.graph.tenant.world import World

TEXT = """\
Microsoft Graph, simulated. Everything is on this machine; Ctrl-C ends it.

  page        {http}/
  Graph       {http}/v1.0      {https}/v1.0
  tokens      {https}/{tenant}/oauth2/v2.0/token
  CA          {ca}    (export SSL_CERT_FILE={ca})

1. Get a token, as any app of tenant {name} ({tenant}); client id and secret may be anything:

  TOKEN=$(curl -s {http}/{tenant}/oauth2/v2.0/token -d grant_type=client_credentials \\
    -d client_id=11111111-1111-4111-8111-111111111111 -d client_secret=any \\
    -d scope=https://graph.microsoft.com/.default | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')

2. Subscribe, with your receiver on http://127.0.0.1:8080/notifications (plain http is fine on this machine only):

  curl -s {http}/v1.0/subscriptions -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{
    "changeType": "created,updated,deleted", "resource": "/{resource}",
    "notificationUrl": "http://127.0.0.1:8080/notifications", "clientState": "a secret of yours",
    "expirationDateTime": "'$(date -u -d '+50 min' +%FT%TZ 2>/dev/null || date -u -v+50M +%FT%TZ)'"}}'

3. Let something happen, then ask how your receiver did:

  python -m local graph post {place} hello        python -m local graph play --list
  python -m local graph judge                     python -m local graph --help
"""
ELSEWHERE = """
  (commands look elsewhere unless told: export GRAPH_SIMULATOR={http} first)
"""


def greet(http: str, https: str, ca: str, world: "World") -> None:
    """Print the text. It names no secret: there is none."""
    place = next((place for place in world.places if place.workload == "channel"), None)
    resource = f"teams/{place.ids['team']}/channels/{place.ids['channel']}/messages" if place else "users"
    named = place.name if place else "<a place>"
    text = TEXT.format(
        http=http, https=https, ca=ca, tenant=world.tenant_id, name=world.name, resource=resource, place=named
    )
    print(text + ("" if http == DEFAULT_URL else ELSEWHERE.format(http=http)), flush=True)
