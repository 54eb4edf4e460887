metadata description = 'The Flex Consumption plan and the Function App on it. Its settings are in settings.bicep, its roles in roles.bicep.'

@description('Required. Name of the app.')
param name string

@description('Required. Name of the plan; there is one app on it.')
param planName string

@description('Required. Region.')
param location string

@description('Required. Tags; azd finds the app by azd-service-name.')
param tags object

@description('Required. Resource id of the app\'s identity.')
param identityId string

@description('Required. Storage account of the host.')
param storageAccountName string

@description('Required. Container for the deployed package.')
param deploymentContainer string

@description('Required. Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('Required. Instances that the app may have at most.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Required. HTTP calls that one instance answers at the same time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Required. Instances that are always there, by scale group: http, function:<name>.')
param alwaysReady { name: string, instanceCount: int }[]

@description('Required. Spread over zones.')
param zoneRedundant bool

@description('Required. Subnet through which the app reaches storage and vault; empty for none.')
param subnetId string

@description('Required. Subnet of the gateway, if only what comes through it may come in; empty for everybody.')
param gatewaySubnetId string

@description('Required. Addresses or ranges that may come in without the gateway.')
param allowedIpAddresses string[]

var throughGateway = empty(gatewaySubnetId) ? [] : [
  {
    name: 'gateway'
    action: 'Allow'
    priority: 100
    vnetSubnetResourceId: gatewaySubnetId
  }
]

var operators = [for (address, index) in allowedIpAddresses: {
  name: 'operator-${index}'
  action: 'Allow'
  priority: 200 + index
  ipAddress: contains(address, '/') ? address : '${address}/32'
}]

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
      ipSecurityRestrictionsDefaultAction: empty(gatewaySubnetId) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: empty(gatewaySubnetId) ? [] : concat(throughGateway, operators)
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }
}

@description('Host of the app.')
output host string = app.properties.defaultHostName
