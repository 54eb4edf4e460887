metadata description = 'Pull mode, what no event can hold: the account that Graph writes such items to, and the vault from which Graph reads how. Graph takes a connection string, so this account alone keeps its shared key; it is apart from everything else, and so is the vault.'

@description('Required. Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Name of the vault.')
@maxLength(24)
param vaultName string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Days in which the deleted vault can be had back.')
param vaultRetentionDays int

// Graph writes into a container of this name and of no other; it has to be there
var container = 'microsoft-graph-change-notifications'
var secretName = 'graph-oversize-storage'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    // Graph writes with a connection string
    allowSharedKeyAccess: true
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Graph comes from outside and is on no list of trusted services
    publicNetworkAccess: 'Enabled'
    networkAcls: { bypass: 'None', defaultAction: 'Allow' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource items 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: container
  properties: { publicAccess: 'None' }
}

resource ageing 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          // an event lives seven days in the hub and as many on the queue
          name: 'oversize-items'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${container}/']
            }
            actions: {
              baseBlob: {
                delete: { daysAfterModificationGreaterThan: 21 }
              }
            }
          }
        }
      ]
    }
  }
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: vaultRetentionDays
    publicNetworkAccess: 'Enabled'
    networkAcls: { bypass: 'None', defaultAction: 'Allow' }
  }
}

resource connection 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: secretName
  properties: {
    attributes: { enabled: true }
    contentType: 'connection string for Microsoft Graph'
    value: 'DefaultEndpointsProtocol=https;AccountName=${account.name};AccountKey=${account.listKeys().keys[0].value};EndpointSuffix=${environment().suffixes.storage}'
  }
}

@description('Address of the blob service, from which the app reads with its own identity.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Address of the secret, without a version and without a tenant: what Graph is told as blobStoreUrl begins with it.')
output secretAddress string = '${vault.properties.vaultUri}secrets/${secretName}'
