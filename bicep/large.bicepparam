// For millions of changes an hour: in zones, in a network, with a hub and live clients. A gateway needs a name and a certificate of yours.
//   az deployment sub create --location <region> --parameters bicep/large.bicepparam
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'earshot-large')
param location = readEnvironmentVariable('AZURE_LOCATION')
param principalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param principalType = any(readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User'))
param graphClientId = readEnvironmentVariable('GRAPH_CLIENT_ID', '')
param tenantDomain = readEnvironmentVariable('GRAPH_TENANT_DOMAIN', '')
param graphChangeTrackingPrincipalId = readEnvironmentVariable('GRAPH_CHANGE_TRACKING_PRINCIPAL_ID', '')
param alertEmail = readEnvironmentVariable('EARSHOT_ALERT_EMAIL', '')

param size = 'large'
param zoneRedundant = true
param delivery = 'both'
param oversizeEnabled = true
param vnetEnabled = true
param signalREnabled = true
param gatewayEnabled = bool(readEnvironmentVariable('EARSHOT_GATEWAY', 'false'))
param gatewayHostName = readEnvironmentVariable('EARSHOT_GATEWAY_HOST_NAME', '')
param gatewayCertificateSecretUri = readEnvironmentVariable('EARSHOT_GATEWAY_CERTIFICATE_SECRET_URI', '')
param gatewayIdentityId = readEnvironmentVariable('EARSHOT_GATEWAY_IDENTITY_ID', '')
