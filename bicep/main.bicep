targetScope = 'subscription'

metadata name = 'Earshot'
metadata description = 'Hears every change in Microsoft 365: everything that the app needs in Azure, in a resource group of its own. Nothing of Entra is here: the scripts around it see to that.'

import { scaleOverrides, sizes } from './sizes.bicep'

@description('Required. Name of the azd environment; the resource group is called after it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Required. Region; it has to offer Flex Consumption.')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('Optional. Resource group, which is made.')
param resourceGroupName string = 'rg-${environmentName}'

@description('Optional. small: pennies while nothing happens, and its first call after a pause is late. standard: answers in time. large: for millions of changes an hour.')
@allowed(['small', 'standard', 'large'])
param size string = 'standard'

@description('Optional. Single cells of the size\'s row in sizes.bicep that are to be others.')
param scale scaleOverrides = {}

@description('Optional. Spread over zones, where the region has them; nothing is then ready less than twice.')
param zoneRedundant bool = false

@description('Optional. How Graph delivers: to the webhook, into an event hub, or both, as each subscription says.')
@allowed(['webhook', 'eventhub', 'both'])
param delivery string = 'webhook'

@description('Optional. In pull mode, also take what no event can hold (more than 1 MB): a storage account and a vault more.')
param oversizeEnabled bool = false

@description('Conditional. In pull mode: a domain of the tenant that owns this subscription, such as contoso.onmicrosoft.com.')
param tenantDomain string = ''

@description('Conditional. In pull mode: object id of Microsoft Graph Change Tracking (0bf30f3b-4a52-48df-9a82-234910c4a086) in this tenant, which may then send.')
param graphChangeTrackingPrincipalId string = ''

@description('Optional. SignalR for live clients, and the page that people sign in to.')
param signalREnabled bool = false

@description('Conditional. With signalREnabled: where else the page is opened, such as http://localhost:7071; no slash at the end.')
param pageOrigins string[] = []

@description('Optional. A virtual network: storage and vault have private endpoints, and storage has no other way in.')
param vnetEnabled bool = false

@description('Optional. Range of the virtual network, at least /22.')
param vnetAddressPrefix string = '10.73.0.0/22'

@description('Conditional. With vnetEnabled: no way to the vault but private ones and allowedIpAddresses. Flex Consumption is documented not to resolve references into such a vault; try it before you rely on it.')
param restrictKeyVault bool = false

@description('Optional. Addresses or ranges (IPv4) of operators, which reach the vault with restrictKeyVault, and the app past the gateway.')
param allowedIpAddresses string[] = []

@description('Optional. An Application Gateway with a firewall in front of the app, which then takes nothing else.')
param gatewayEnabled bool = false

@description('Conditional. With gatewayEnabled: host name that Graph calls, such as changes.contoso.com.')
param gatewayHostName string = ''

@description('Conditional. With gatewayEnabled: address of that name\'s certificate as a secret of a vault of yours, without a version.')
param gatewayCertificateSecretUri string = ''

@description('Conditional. With gatewayEnabled: resource id of a user-assigned identity that may read it (Key Vault Secrets User on that secret).')
param gatewayIdentityId string = ''

@description('Optional. keyvault: the app reads the encryption key. keyvault-unwrap: the vault opens each item, and never gives the key away.')
@allowed(['keyvault', 'keyvault-unwrap'])
param encryption string = 'keyvault'

@description('Optional. Microsoft\'s cloud.')
@allowed(['global', 'usgov', 'usgov-dod', 'china'])
param graphCloud string = 'global'

@description('Optional. Tenant whose data is heard; by default the one that owns this subscription.')
param graphTenantId string = ''

@description('Optional. federated: an app registration that trusts the app\'s identity. managed-identity: the identity itself asks Graph, in its own tenant only.')
@allowed(['federated', 'managed-identity'])
param graphCredential string = 'federated'

@description('Conditional. With federated, or where users sign in: client id of the app registration, which the pre-provision script makes.')
param graphClientId string = ''

@description('Optional. Tenants that may appear in notifications; by default graphTenantId alone.')
param allowedTenantIds string[] = []

@description('Conditional. While clientState keys are rotated: the vault has a secret client-state-key-previous.')
param clientStateKeyRotating bool = false

@description('Optional. People may connect their mailboxes: the app keeps their tokens, encrypted with a key in the vault.')
param mailEnabled bool = false

@description('Conditional. While that key is rotated: the vault has a secret token-cache-key-previous.')
param tokenCacheKeyRotating bool = false

@description('Optional. App settings that are to be others than in modules/settings.bicep, by name. No secrets.')
param settings object = {}

@description('Optional. Alerts, and who is told.')
param alertsEnabled bool = true

@description('Conditional. Address that alerts are mailed to; empty for none.')
param alertEmail string = ''

@description('Optional. Object id of who deploys, who may then put keys and certificate into the vault; azd knows it.')
param principalId string = ''

@description('Conditional. What that is: azd says User at a desk and ServicePrincipal in a pipeline.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

// -- names --------------------------------------------------------------------------------------------------------------------

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var appTags = { 'azd-env-name': environmentName, 'azd-service-name': 'earshot' }
var names = {
  actionGroup: 'ag-earshot-${token}'
  app: 'func-earshot-${token}'
  appInsights: 'appi-earshot-${token}'
  eventHubNamespace: 'evhns-earshot-${token}'
  gateway: 'agw-earshot-${token}'
  identity: 'id-earshot-${token}'
  network: 'vnet-earshot-${token}'
  oversize: 'stover${token}'
  oversizeVault: 'kvo-${token}'
  plan: 'plan-earshot-${token}'
  privateEndpoint: 'pe-earshot-${token}'
  publicIp: 'pip-earshot-${token}'
  signalR: 'sigr-earshot-${token}'
  storage: 'stear${token}'
  vault: 'kv-${token}'
  workspace: 'log-earshot-${token}'
}
var deploymentContainer = 'app-package'
var eventHubName = 'notifications'
var consumerGroup = 'earshot'
var certificateName = 'earshot-encryption'
var secretNames = {
  clientStateKey: 'client-state-key'
  clientStateKeyPrevious: 'client-state-key-previous'
  forwardSigningKey: 'forward-signing-key'
  tokenCacheKey: 'token-cache-key'
  tokenCacheKeyPrevious: 'token-cache-key-previous'
}

// -- what was chosen ----------------------------------------------------------------------------------------------------------

var chosen = union(sizes[size], scale)
var pullMode = delivery != 'webhook'
var oversize = pullMode && oversizeEnabled
var withNetwork = vnetEnabled || gatewayEnabled
var atLeast = zoneRedundant ? 2 : 1
var alwaysReady = concat(
  chosen.alwaysReady.http > 0 ? [{ name: 'http', instanceCount: max(chosen.alwaysReady.http, atLeast) }] : [],
  chosen.alwaysReady.processor > 0
    ? [{ name: 'function:processor', instanceCount: max(chosen.alwaysReady.processor, atLeast) }]
    : [],
  pullMode && chosen.alwaysReady.eventHub > 0
    ? [{ name: 'function:event_hub', instanceCount: max(chosen.alwaysReady.eventHub, atLeast) }]
    : []
)
var heardTenantId = empty(graphTenantId) ? tenant().tenantId : graphTenantId
var publicHost = gatewayEnabled ? gatewayHostName : app.outputs.host

// -- resources ------------------------------------------------------------------------------------------------------------------

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: names.workspace
    appInsightsName: names.appInsights
    location: location
    tags: tags
    retentionInDays: chosen.logDays
    dailyQuotaGB: chosen.logDailyQuotaGB
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: names.storage
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    private: vnetEnabled
    deploymentContainer: deploymentContainer
  }
}

module vault 'modules/keyvault.bicep' = {
  scope: group
  params: {
    name: names.vault
    location: location
    tags: tags
    retentionDays: chosen.vaultRetentionDays
    private: vnetEnabled && restrictKeyVault
    allowedIpAddresses: allowedIpAddresses
    workspaceId: monitoring.outputs.workspaceId
  }
}

module eventHubs 'modules/eventhubs.bicep' = if (pullMode) {
  scope: group
  params: {
    namespaceName: names.eventHubNamespace
    hubName: eventHubName
    consumerGroup: consumerGroup
    location: location
    tags: tags
    throughputUnits: chosen.eventHub.throughputUnits
    maximumThroughputUnits: chosen.eventHub.maximumThroughputUnits
    partitions: chosen.eventHub.partitions
  }
}

module oversizeItems 'modules/oversize.bicep' = if (oversize) {
  scope: group
  params: {
    name: names.oversize
    vaultName: names.oversizeVault
    location: location
    tags: tags
    vaultRetentionDays: chosen.vaultRetentionDays
  }
}

module network 'modules/network.bicep' = if (withNetwork) {
  scope: group
  params: {
    name: names.network
    location: location
    tags: tags
    addressPrefix: vnetAddressPrefix
  }
}

module privateEndpoints 'modules/privateendpoints.bicep' = if (vnetEnabled) {
  scope: group
  params: {
    location: location
    tags: tags
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointSubnetId
    storageAccountId: storage.outputs.id
    vaultId: vault.outputs.id
    namePrefix: names.privateEndpoint
  }
}

module roles 'modules/roles.bicep' = {
  scope: group
  params: {
    appPrincipalId: identity.outputs.principalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
    graphPrincipalId: graphChangeTrackingPrincipalId
    storageAccountName: names.storage
    vaultName: names.vault
    encryption: encryption
    appInsightsName: names.appInsights
    eventHubNamespaceName: names.eventHubNamespace
    eventHubName: eventHubName
    eventHubEnabled: pullMode
    oversizeAccountName: names.oversize
    oversizeVaultName: names.oversizeVault
    oversizeEnabled: oversize
    signalRName: names.signalR
    signalREnabled: signalREnabled
  }
  dependsOn: [
    storage
    vault
    monitoring
    eventHubs
    oversizeItems
    signalR
  ]
}

module app 'modules/functionapp.bicep' = {
  scope: group
  params: {
    name: names.app
    planName: names.plan
    location: location
    tags: appTags
    identityId: identity.outputs.id
    storageAccountName: names.storage
    deploymentContainer: deploymentContainer
    instanceMemoryMB: chosen.instanceMemoryMB
    maximumInstanceCount: chosen.maximumInstanceCount
    httpConcurrency: chosen.httpConcurrency
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    gatewaySubnetId: gatewayEnabled ? network!.outputs.gatewaySubnetId : ''
    allowedIpAddresses: allowedIpAddresses
  }
  dependsOn: [
    storage
    privateEndpoints
  ]
}

module signalR 'modules/signalr.bicep' = if (signalREnabled) {
  scope: group
  params: {
    name: names.signalR
    location: location
    tags: tags
    tier: chosen.signalR.tier
    units: chosen.signalR.units
    allowedOrigins: union(['https://${publicHost}'], pageOrigins)
  }
}

// after the roles: with its settings the app starts anew, and what is refused by storage then does not come up by itself
module appSettings 'modules/settings.bicep' = {
  scope: group
  params: {
    appName: names.app
    storageAccountName: names.storage
    appInsightsName: names.appInsights
    vaultUri: vault.outputs.uri
    identityClientId: identity.outputs.clientId
    graphCloud: graphCloud
    graphTenantId: heardTenantId
    graphClientId: graphCredential == 'managed-identity' ? identity.outputs.clientId : graphClientId
    graphCredential: graphCredential
    webClientId: graphCredential == 'managed-identity' ? graphClientId : ''
    allowedTenantIds: allowedTenantIds
    publicBaseUrl: 'https://${publicHost}/api'
    encryption: encryption
    certificateName: certificateName
    secretNames: secretNames
    clientStateKeyRotating: clientStateKeyRotating
    mailEnabled: mailEnabled
    tokenCacheKeyRotating: tokenCacheKeyRotating
    eventHub: pullMode ? {
      host: eventHubs!.outputs.host
      name: eventHubName
      consumerGroup: consumerGroup
      tenantDomain: tenantDomain
    } : null
    oversize: oversize ? {
      blobEndpoint: oversizeItems!.outputs.blobEndpoint
      secretAddress: oversizeItems!.outputs.secretAddress
      tenantDomain: tenantDomain
    } : null
    signalREndpoint: signalREnabled ? signalR!.outputs.endpoint : ''
    overrides: settings
  }
  dependsOn: [roles]
}

module gateway 'modules/gateway.bicep' = if (gatewayEnabled) {
  scope: group
  params: {
    name: names.gateway
    publicIpName: names.publicIp
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    subnetId: network!.outputs.gatewaySubnetId
    appHost: app.outputs.host
    hostName: gatewayHostName
    certificateSecretUri: gatewayCertificateSecretUri
    identityId: gatewayIdentityId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module alerts 'modules/alerts.bicep' = if (alertsEnabled) {
  scope: group
  params: {
    actionGroupName: names.actionGroup
    email: alertEmail
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

// -- what the scripts need; azd keeps these as environment variables ----------------------------------------------------------

@description('Region.')
output AZURE_LOCATION string = location

@description('Tenant that owns this subscription.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the Function App.')
output FUNCTION_APP_NAME string = names.app

@description('Its own host, also where a gateway stands before it.')
output FUNCTION_APP_HOST_NAME string = app.outputs.host

@description('What Graph is told, ending in /api.')
output PUBLIC_BASE_URL string = 'https://${publicHost}/api'

@description('Name of the app\'s vault.')
output KEY_VAULT_NAME string = names.vault

@description('Secret that CLIENT_STATE_KEY refers to; to be made once.')
output CLIENT_STATE_KEY_SECRET string = secretNames.clientStateKey

@description('Secret that FORWARD_SIGNING_KEY refers to; to be made once.')
output FORWARD_SIGNING_KEY_SECRET string = secretNames.forwardSigningKey

@description('Secret that TOKEN_CACHE_KEY refers to; to be made once. Empty where nobody connects a mailbox.')
output TOKEN_CACHE_KEY_SECRET string = mailEnabled ? secretNames.tokenCacheKey : ''

@description('Certificate that ENCRYPTION_KEYS refers to; to be issued once, and renewed by the vault.')
output ENCRYPTION_CERTIFICATE_NAME string = certificateName

@description('How the app uses that certificate; for keyvault-unwrap its key is best not exportable.')
output ENCRYPTION_KEYS string = '${encryption}:${vault.outputs.uri}certificates/${certificateName}'

@description('Client id of the app\'s identity.')
output IDENTITY_CLIENT_ID string = identity.outputs.clientId

@description('Object id of the app\'s identity: the federated credential\'s subject, or who gets Graph\'s permissions.')
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('federated or managed-identity.')
output GRAPH_CREDENTIAL string = graphCredential

@description('Tenant whose data is heard.')
output GRAPH_TENANT_ID string = heardTenantId

@description('Where the DNS record of the gateway\'s host name has to lead; empty without a gateway.')
output GATEWAY_PUBLIC_HOST string = gatewayEnabled ? gateway!.outputs.publicHost : ''

@description('Resource id of the hub that Graph fills; empty without pull mode.')
output EVENT_HUB_RESOURCE_ID string = pullMode ? eventHubs!.outputs.hubId : ''

@description('Account for what no event can hold; empty without one.')
output OVERSIZE_STORAGE_ACCOUNT string = oversize ? names.oversize : ''

@description('SignalR service; empty without one.')
output SIGNALR_NAME string = signalREnabled ? names.signalR : ''

@description('Workbook with everything that is to be seen.')
output WORKBOOK_ID string = monitoring.outputs.workbookId
