metadata description = 'Live clients: a SignalR service without a hub server, driven by REST with Entra tokens.'

@description('Required. Name of the service.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Tier.')
@allowed(['Free_F1', 'Standard_S1', 'Premium_P1'])
param tier string

@description('Required. Units: 1,000 connections each.')
param units int

@description('Required. Origins whose pages may connect.')
param allowedOrigins string[]

resource signalR 'Microsoft.SignalRService/signalR@2024-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'SignalR'
  sku: { name: tier, capacity: units }
  properties: {
    disableLocalAuth: true
    features: [{ flag: 'ServiceMode', value: 'Serverless' }]
    cors: { allowedOrigins: allowedOrigins }
    tls: { clientCertEnabled: false }
    // clients come from everywhere, with a token that the app gave them
    publicNetworkAccess: 'Enabled'
  }
}

@description('Address of the service.')
output endpoint string = 'https://${signalR.properties.hostName}'
