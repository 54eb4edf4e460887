metadata description = 'The vault with the app\'s own keys and the encryption certificate. What is in it is made once by the post-provision script and never here: a deployment must not change a key on which every live subscription depends.'

@description('Required. Name of the vault.')
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Days in which what was deleted can be had back.')
@minValue(7)
@maxValue(90)
param retentionDays int

@description('Required. Whether only private endpoints, and the addresses below, lead to it.')
param private bool

@description('Required. Addresses or ranges (IPv4) that may ask it all the same.')
param allowedIpAddresses string[]

@description('Required. Workspace for the record of who read what.')
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: retentionDays
    publicNetworkAccess: private && empty(allowedIpAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: private ? 'Deny' : 'Allow'
      ipRules: [for address in allowedIpAddresses: { value: address }]
    }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

@description('Resource id.')
output id string = vault.id

@description('Address, with a slash at its end.')
output uri string = vault.properties.vaultUri
