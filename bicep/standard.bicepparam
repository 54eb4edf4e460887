// One warm instance for Graph, one for processing: answers come in time. What azd deploys unless told otherwise.
//   az deployment sub create --location <region> --parameters bicep/standard.bicepparam
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'earshot-standard')
param location = readEnvironmentVariable('AZURE_LOCATION')
param principalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param principalType = any(readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User'))
param graphClientId = readEnvironmentVariable('GRAPH_CLIENT_ID', '')
param tenantDomain = readEnvironmentVariable('GRAPH_TENANT_DOMAIN', '')
param graphChangeTrackingPrincipalId = readEnvironmentVariable('GRAPH_CHANGE_TRACKING_PRINCIPAL_ID', '')
param alertEmail = readEnvironmentVariable('EARSHOT_ALERT_EMAIL', '')

param size = 'standard'
