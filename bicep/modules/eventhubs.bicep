metadata description = 'Pull mode: the namespace and the hub that Graph fills.'

@description('Required. Name of the namespace.')
param namespaceName string

@description('Required. Name of the hub.')
param hubName string

@description('Required. Consumer group of the app, which nobody else reads with.')
param consumerGroup string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Throughput units to begin with: 1 MB or 1,000 events a second each.')
@minValue(1)
@maxValue(40)
param throughputUnits int

@description('Required. Units that it may grow to by itself.')
@minValue(1)
@maxValue(40)
param maximumThroughputUnits int

@description('Required. Partitions: as many instances read at the same time at most. Fixed for ever in this tier.')
@minValue(1)
@maxValue(32)
param partitions int

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Standard', capacity: throughputUnits }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    isAutoInflateEnabled: maximumThroughputUnits > throughputUnits
    maximumThroughputUnits: maximumThroughputUnits > throughputUnits ? maximumThroughputUnits : 0
    // Graph comes from outside and is on no list of trusted services; who may send is a matter of roles
    publicNetworkAccess: 'Enabled'
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: hubName
  properties: {
    partitionCount: partitions
    messageRetentionInDays: 7
  }
}

resource group 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = {
  parent: hub
  name: consumerGroup
  properties: { userMetadata: 'function event_hub' }
}

@description('Host of the namespace, such as contoso.servicebus.windows.net; every cloud has its own domain.')
output host string = split(split(namespace.properties.serviceBusEndpoint, '//')[1], ':')[0]

@description('Resource id of the hub.')
output hubId string = hub.id
