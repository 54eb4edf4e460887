metadata description = 'Every app setting, here and nowhere else. They are those of shared/settings.py and the host\'s own; a test compares.'

// Not here on purpose, because they hold keys: AzureWebJobsStorage, EventHubConnection, OVERSIZE_STORAGE, AzureSignalRConnectionString
// (each has a twin below that names a place and leaves the rest to the app's identity), GRAPH_CLIENT_SECRET and
// GRAPH_CLIENT_CERTIFICATE_PATH (the federated credential needs neither).

@description('Required. Name of the app.')
param appName string

@description('Required. Storage account of host and app.')
param storageAccountName string

@description('Required. Application Insights component.')
param appInsightsName string

@description('Required. Address of the vault, with a slash at its end.')
param vaultUri string

@description('Required. Client id of the app\'s identity.')
param identityClientId string

@description('Required. Microsoft\'s cloud: global, usgov, usgov-dod, china.')
param graphCloud string

@description('Required. Tenant whose data is heard.')
param graphTenantId string

@description('Required. Client id of the app registration, or of the identity where that asks Graph itself; empty before there is one.')
param graphClientId string

@description('Required. federated or managed-identity.')
param graphCredential string

@description('Required. Client id of the app registration that users sign in with, where that is not graphClientId; else empty.')
param webClientId string

@description('Required. Tenants that may appear in notifications; empty for graphTenantId alone.')
param allowedTenantIds string[]

@description('Required. What Graph can reach, ending in /api.')
param publicBaseUrl string

@description('Required. keyvault, or keyvault-unwrap where the private key never leaves the vault.')
param encryption string

@description('Required. Name of the encryption certificate in the vault.')
param certificateName string

@description('Required. Names of the secrets in the vault.')
param secretNames {
  clientStateKey: string
  clientStateKeyPrevious: string
  forwardSigningKey: string
  tokenCacheKey: string
  tokenCacheKeyPrevious: string
}

@description('Required. Whether the vault holds a previous clientState key, for as long as subscriptions still carry it.')
param clientStateKeyRotating bool

@description('Required. Whether people may connect their mailboxes: the vault then holds a key for their tokens.')
param mailEnabled bool

@description('Required. Whether the vault holds the previous one of those keys, for as long as tokens lie that it encrypted.')
param tokenCacheKeyRotating bool

@description('Conditional. In pull mode: which hub.')
param eventHub { host: string, name: string, consumerGroup: string, tenantDomain: string }?

@description('Conditional. Where Graph puts what no event can hold.')
param oversize { blobEndpoint: string, secretAddress: string, tenantDomain: string }?

@description('Required. Address of the SignalR service; empty without one.')
param signalREndpoint string

@description('Required. Settings that are to be others than here, by name.')
param overrides object

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

var ofTheHost = {
  // not only the app's: queues, timers, leases and checkpoints
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  // the host would keep trying for 25 seconds while Graph waits 3, and then send nothing for 10 minutes; a refusal comes again
  AzureWebJobsStorage__Retry__MaxRetries: '1'
  AzureWebJobsStorage__Retry__Delay: '00:00:00.2'
  AzureWebJobsStorage__Retry__NetworkTimeout: '00:00:01'
  APPLICATIONINSIGHTS_CONNECTION_STRING: appInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  // by which SDKs choose the identity
  AZURE_CLIENT_ID: identityClientId
}

var ofOtherClouds = environment().name == 'AzureCloud' ? {} : {
  // the short form above is short for the global cloud's addresses
  AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
}

var ofTheApp = {
  GRAPH_CLOUD: graphCloud
  GRAPH_ENDPOINT: '' // as the cloud implies
  GRAPH_AUTHORITY: ''
  GRAPH_PUBLISHER_APP_ID: '0bf30f3b-4a52-48df-9a82-234910c4a086' // Microsoft Graph Change Tracking
  GRAPH_TENANT_ID: graphTenantId
  GRAPH_CLIENT_ID: graphClientId
  GRAPH_AUDIENCES: '' // GRAPH_CLIENT_ID alone
  ALLOWED_TENANT_IDS: join(allowedTenantIds, ',')
  GRAPH_CREDENTIAL: graphCredential
  PUBLIC_BASE_URL: publicBaseUrl
  CLIENT_STATE_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretNames.clientStateKey})'
  FORWARD_SIGNING_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretNames.forwardSigningKey})'
  ENCRYPTION_KEYS: '${encryption}:${vaultUri}certificates/${certificateName}'
  SUBSCRIPTIONS_FILE: 'subscriptions.json'
  RENEWAL_SCHEDULE: '0 */5 * * * *'
  SWEEP_SCHEDULE: '30 */15 * * * *'
  MAX_BODY_BYTES: '33554432'
  HANDLER_TIMEOUT_SECONDS: '60'
  RETRY_ATTEMPTS: '12'
  RETRY_FIRST_DELAY_SECONDS: '5'
  RETRY_LONGEST_DELAY_SECONDS: '3600'
  UNKNOWN_SUBSCRIPTIONS: 'report'
  DEDUPLICATION_DAYS: '8'
  API_AUDIENCES: empty(webClientId) ? '' : '${webClientId},api://${webClientId}' // else GRAPH_CLIENT_ID, in both forms
  API_SCOPE: 'access_as_user'
  WEB_CLIENT_ID: webClientId
}

var ofARotation = clientStateKeyRotating ? {
  CLIENT_STATE_KEY_PREVIOUS: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretNames.clientStateKeyPrevious})'
} : {}

var ofMail = mailEnabled ? {
  TOKEN_CACHE_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretNames.tokenCacheKey})'
} : {}

var ofItsRotation = mailEnabled && tokenCacheKeyRotating ? {
  TOKEN_CACHE_KEY_PREVIOUS: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretNames.tokenCacheKeyPrevious})'
} : {}

var ofPullMode = eventHub == null ? {} : {
  EventHubConnection__fullyQualifiedNamespace: eventHub!.host
  EventHubConnection__credential: 'managedidentity'
  EventHubConnection__clientId: identityClientId
  EVENT_HUB_NAME: eventHub!.name
  EVENT_HUB_CONSUMER_GROUP: eventHub!.consumerGroup
  EVENT_HUB_NOTIFICATION_URL: empty(eventHub!.tenantDomain)
    ? ''
    : 'EventHub:https://${eventHub!.host}/eventhubname/${eventHub!.name}?tenantId=${eventHub!.tenantDomain}'
}

var ofOversize = oversize == null ? {} : {
  OVERSIZE_STORAGE__blobServiceUri: oversize!.blobEndpoint
  EVENT_HUB_BLOB_STORE_URL: empty(oversize!.tenantDomain)
    ? ''
    : '${oversize!.secretAddress}?tenantId=${oversize!.tenantDomain}'
}

var ofLiveClients = empty(signalREndpoint) ? {} : {
  AzureSignalRConnectionString__serviceUri: signalREndpoint
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(
    ofTheHost,
    ofOtherClouds,
    ofTheApp,
    ofARotation,
    ofMail,
    ofItsRotation,
    ofPullMode,
    ofOversize,
    ofLiveClients,
    overrides
  )
}
