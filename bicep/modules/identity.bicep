metadata description = 'The identity that the app is to everything in Azure. It exists before the app does, so that its roles are there when the app starts.'

@description('Required. Name of the identity.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id.')
output id string = identity.id

@description('Object id: who gets a role, and the subject of the federated credential.')
output principalId string = identity.properties.principalId

@description('Client id: by which SDKs choose this identity.')
output clientId string = identity.properties.clientId
