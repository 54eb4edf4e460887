metadata description = 'Who may do what on what: every role assignment, here and nowhere else. Each is on the smallest scope that Azure and the host allow.'

@description('Required. Object id of the app\'s identity.')
param appPrincipalId string

@description('Required. Object id of who deploys, who puts keys and certificate into the vault; empty for nobody.')
param deployerPrincipalId string

@description('Required. What that is: User, ServicePrincipal or Group.')
@allowed(['User', 'ServicePrincipal', 'Group'])
param deployerPrincipalType string

@description('Required. Object id of Microsoft Graph Change Tracking in this tenant; empty while it is not known.')
param graphPrincipalId string

@description('Required. Storage account of host and app.')
param storageAccountName string

@description('Required. Vault of the app.')
param vaultName string

@description('Required. keyvault or keyvault-unwrap.')
param encryption string

@description('Required. Application Insights component.')
param appInsightsName string

@description('Required. Event Hubs namespace.')
param eventHubNamespaceName string

@description('Required. Hub.')
param eventHubName string

@description('Required. Whether there is that hub.')
param eventHubEnabled bool

@description('Required. Account for what no event can hold.')
param oversizeAccountName string

@description('Required. Vault with that account\'s connection string.')
param oversizeVaultName string

@description('Required. Whether there are these two.')
param oversizeEnabled bool

@description('Required. SignalR service.')
param signalRName string

@description('Required. Whether there is one.')
param signalREnabled bool

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles (2026-08)
var roleIds = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  azureEventHubsDataReceiver: 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
  azureEventHubsDataSender: '2b629674-e913-4c01-ae53-ef4638d8f975'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  keyVaultSecretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  keyVaultCertificateUser: 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba'
  keyVaultCertificatesOfficer: 'a4417e6f-fecd-4de8-b567-7b0420556985'
  keyVaultReader: '21090545-7ca7-4776-b22c-e363652d74d2'
  keyVaultCryptoUser: '12338af0-0e69-4776-bea7-57ae8d297424'
  signalRRestApiOwner: 'fd53cd77-2268-407a-8f46-7e7863d0f521'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: eventHubNamespaceName
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' existing = {
  parent: namespace
  name: eventHubName
}

resource oversizeAccount 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: oversizeAccountName
}

resource oversizeBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: oversizeAccount
  name: 'default'
}

resource oversizeContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: oversizeBlobs
  name: 'microsoft-graph-change-notifications'
}

resource oversizeVault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: oversizeVaultName
}

resource signalR 'Microsoft.SignalRService/signalR@2024-03-01' existing = {
  name: signalRName
}

// -- the app ----------------------------------------------------------------------------------------------------------------

// owner, because the host asks for it: leases, timers, its keys, checkpoints; it makes containers of its own
resource appOwnsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, appPrincipalId, roleIds.storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageBlobDataOwner)
  }
}

resource appUsesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, appPrincipalId, roleIds.storageQueueDataContributor)
  scope: storage
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageQueueDataContributor)
  }
}

resource appUsesTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, appPrincipalId, roleIds.storageTableDataContributor)
  scope: storage
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageTableDataContributor)
  }
}

// for the references in its settings; on the vault, since the secrets are made after this
resource appReadsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, roleIds.keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
  }
}

resource appReadsCertificate 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (encryption == 'keyvault') {
  name: guid(vault.id, appPrincipalId, roleIds.keyVaultCertificateUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultCertificateUser)
  }
}

resource appSeesCertificate 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (encryption == 'keyvault-unwrap') {
  name: guid(vault.id, appPrincipalId, roleIds.keyVaultReader)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultReader)
  }
}

resource appUnwraps 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (encryption == 'keyvault-unwrap') {
  name: guid(vault.id, appPrincipalId, roleIds.keyVaultCryptoUser)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultCryptoUser)
  }
}

resource appSendsTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(appInsights.id, appPrincipalId, roleIds.monitoringMetricsPublisher)
  scope: appInsights
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.monitoringMetricsPublisher)
  }
}

// on the hub; on the consumer group alone the listener is refused
resource appReceives 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (eventHubEnabled) {
  name: guid(hub.id, appPrincipalId, roleIds.azureEventHubsDataReceiver)
  scope: hub
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.azureEventHubsDataReceiver)
  }
}

resource appReadsOversize 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (oversizeEnabled) {
  name: guid(oversizeContainer.id, appPrincipalId, roleIds.storageBlobDataReader)
  scope: oversizeContainer
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageBlobDataReader)
  }
}

resource appDrivesSignalR 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (signalREnabled) {
  name: guid(signalR.id, appPrincipalId, roleIds.signalRRestApiOwner)
  scope: signalR
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.signalRRestApiOwner)
  }
}

// -- Microsoft Graph Change Tracking --------------------------------------------------------------------------------------

resource graphSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (eventHubEnabled && !empty(graphPrincipalId)) {
  name: guid(hub.id, graphPrincipalId, roleIds.azureEventHubsDataSender)
  scope: hub
  properties: {
    principalId: graphPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.azureEventHubsDataSender)
  }
}

resource graphReadsSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (oversizeEnabled && !empty(graphPrincipalId)) {
  name: guid(oversizeVault.id, graphPrincipalId, roleIds.keyVaultSecretsUser)
  scope: oversizeVault
  properties: {
    principalId: graphPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
  }
}

// -- who deploys --------------------------------------------------------------------------------------------------------------

resource deployerMakesSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(vault.id, deployerPrincipalId, roleIds.keyVaultSecretsOfficer)
  scope: vault
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsOfficer)
  }
}

resource deployerMakesCertificate 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(vault.id, deployerPrincipalId, roleIds.keyVaultCertificatesOfficer)
  scope: vault
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultCertificatesOfficer)
  }
}
