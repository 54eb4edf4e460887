metadata description = 'Private ways to storage and vault, and the names that lead there.'

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Network whose names are to lead there.')
param networkId string

@description('Required. Subnet for the endpoints.')
param subnetId string

@description('Required. Storage account of host and app.')
param storageAccountId string

@description('Required. Vault of the app.')
param vaultId string

@description('Required. What endpoints are called: this, and the service.')
param namePrefix string

var services = [
  { group: 'blob', zone: 'privatelink.blob.${environment().suffixes.storage}', target: storageAccountId }
  { group: 'queue', zone: 'privatelink.queue.${environment().suffixes.storage}', target: storageAccountId }
  { group: 'table', zone: 'privatelink.table.${environment().suffixes.storage}', target: storageAccountId }
  // the suffix is .vault.azure.net and begins with a dot; the zone is privatelink.vaultcore.azure.net
  { group: 'vault', zone: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}', target: vaultId }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for service in services: {
  name: service.zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (service, index) in services: {
  parent: zones[index]
  name: '${namePrefix}-${service.group}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: networkId }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for service in services: {
  name: '${namePrefix}-${service.group}'
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      {
        name: service.group
        properties: {
          privateLinkServiceId: service.target
          groupIds: [service.group]
        }
      }
    ]
  }
}]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (service, index) in services: {
  parent: endpoints[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service.group
        properties: { privateDnsZoneId: zones[index].id }
      }
    ]
  }
}]
