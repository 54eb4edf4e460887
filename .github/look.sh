#!/usr/bin/env bash
# Looks at what was deployed, with the app's key and, where a mailbox is named, a token for Graph: neither is printed, kept or passed on.
set -euo pipefail
# a package that is new may have triggers that the platform has not read yet; the look waits for what comes of this
app=$(az account show --query id --output tsv)
app="/subscriptions/$app/resourceGroups/$AZURE_RESOURCE_GROUP/providers/Microsoft.Web/sites/$FUNCTION_APP_NAME"
az rest --method post --url "https://management.azure.com$app/host/default/sync?api-version=2024-04-01"
EARSHOT_KEY=$(az functionapp keys list --resource-group "$AZURE_RESOURCE_GROUP" --name "$FUNCTION_APP_NAME" --query masterKey --output tsv)
echo "::add-mask::$EARSHOT_KEY"
export EARSHOT_KEY
set --
if [ -n "${SMOKE_MAILBOX:-}" ]; then
  SMOKE_GRAPH_TOKEN=$(az account get-access-token --resource-type ms-graph --query accessToken --output tsv)
  echo "::add-mask::$SMOKE_GRAPH_TOKEN"
  export SMOKE_GRAPH_TOKEN
  set -- --mailbox "$SMOKE_MAILBOX"
fi
python3 scripts/smoke.py "https://$FUNCTION_APP_HOST_NAME" --patience 600 "$@"
