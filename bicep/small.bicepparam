// Pennies while nothing happens: nothing is always ready, so the first call after a pause is late, and Graph sends it again.
//   az deployment sub create --location <region> --parameters bicep/small.bicepparam
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'earshot-small')
param location = readEnvironmentVariable('AZURE_LOCATION')
param principalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param principalType = any(readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User'))
param graphClientId = readEnvironmentVariable('GRAPH_CLIENT_ID', '')
param tenantDomain = readEnvironmentVariable('GRAPH_TENANT_DOMAIN', '')
param graphChangeTrackingPrincipalId = readEnvironmentVariable('GRAPH_CHANGE_TRACKING_PRINCIPAL_ID', '')
param alertEmail = readEnvironmentVariable('EARSHOT_ALERT_EMAIL', '')

param size = 'small'
