// What azd deploys. Every value comes from the azd environment: `azd env set EARSHOT_SIZE large`. Where a parameter takes one of a few
// words, any() leaves it to Azure to refuse others.
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param principalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param principalType = any(readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User'))

param size = any(readEnvironmentVariable('EARSHOT_SIZE', 'standard'))
param zoneRedundant = bool(readEnvironmentVariable('EARSHOT_ZONE_REDUNDANT', 'false'))
param delivery = any(readEnvironmentVariable('EARSHOT_DELIVERY', 'webhook'))
param oversizeEnabled = bool(readEnvironmentVariable('EARSHOT_OVERSIZE', 'false'))
param signalREnabled = bool(readEnvironmentVariable('EARSHOT_SIGNALR', 'false'))
param pageOrigins = empty(readEnvironmentVariable('EARSHOT_PAGE_ORIGINS', ''))
  ? []
  : split(readEnvironmentVariable('EARSHOT_PAGE_ORIGINS', ''), ',')
param vnetEnabled = bool(readEnvironmentVariable('EARSHOT_VNET', 'false'))
param restrictKeyVault = bool(readEnvironmentVariable('EARSHOT_RESTRICT_KEY_VAULT', 'false'))
param encryption = any(readEnvironmentVariable('EARSHOT_ENCRYPTION', 'keyvault'))
param clientStateKeyRotating = bool(readEnvironmentVariable('EARSHOT_CLIENT_STATE_KEY_ROTATING', 'false'))
param mailEnabled = bool(readEnvironmentVariable('EARSHOT_MAIL', 'false'))
param tokenCacheKeyRotating = bool(readEnvironmentVariable('EARSHOT_TOKEN_CACHE_KEY_ROTATING', 'false'))
param alertsEnabled = bool(readEnvironmentVariable('EARSHOT_ALERTS', 'true'))
param alertEmail = readEnvironmentVariable('EARSHOT_ALERT_EMAIL', '')

param gatewayEnabled = bool(readEnvironmentVariable('EARSHOT_GATEWAY', 'false'))
param gatewayHostName = readEnvironmentVariable('EARSHOT_GATEWAY_HOST_NAME', '')
param gatewayCertificateSecretUri = readEnvironmentVariable('EARSHOT_GATEWAY_CERTIFICATE_SECRET_URI', '')
param gatewayIdentityId = readEnvironmentVariable('EARSHOT_GATEWAY_IDENTITY_ID', '')

param graphCloud = any(readEnvironmentVariable('GRAPH_CLOUD', 'global'))
param graphTenantId = readEnvironmentVariable('GRAPH_TENANT_ID', '')
param graphCredential = any(readEnvironmentVariable('GRAPH_CREDENTIAL', 'federated'))
param graphClientId = readEnvironmentVariable('GRAPH_CLIENT_ID', '')
param tenantDomain = readEnvironmentVariable('GRAPH_TENANT_DOMAIN', '')
param graphChangeTrackingPrincipalId = readEnvironmentVariable('GRAPH_CHANGE_TRACKING_PRINCIPAL_ID', '')
