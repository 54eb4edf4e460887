metadata description = 'An Application Gateway with a web application firewall in front of the app. It has no certificate of its own: host name, certificate, and an identity that may read it come from outside.'

@description('Required. Name of the gateway.')
param name string

@description('Required. Name of its public address.')
param publicIpName string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Spread over zones.')
param zoneRedundant bool

@description('Required. Subnet of the gateway.')
param subnetId string

@description('Required. Host of the app.')
param appHost string

@description('Required. Host name that Graph and people use; its DNS record leads to the gateway.')
param hostName string

@description('Required. Address of the certificate\'s secret in a vault, without a version, so that a renewed one is taken up.')
param certificateSecretUri string

@description('Required. Resource id of a user-assigned identity that may read that secret, and needs no other right.')
param identityId string

@description('Required. Workspace for what the firewall refuses.')
param workspaceId string

var zones = zoneRedundant ? ['1', '2', '3'] : []

resource publicIp 'Microsoft.Network/publicIPAddresses@2024-05-01' = {
  name: publicIpName
  location: location
  tags: tags
  zones: zones
  sku: { name: 'Standard' }
  properties: {
    publicIPAllocationMethod: 'Static'
    dnsSettings: { domainNameLabel: name }
  }
}

// What Graph calls. The app judges every byte of a body itself (clientState, signed tokens, encryption), which rules made for web forms can only
// get wrong; a body refused here for its size would be lost. What is in the URI and in headers is looked at as ever.
resource webhookPolicy 'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies@2024-05-01' = {
  name: '${name}-webhook'
  location: location
  tags: tags
  properties: {
    policySettings: {
      state: 'Enabled'
      mode: 'Prevention'
      requestBodyCheck: false
      requestBodyEnforcement: false
      fileUploadEnforcement: false
    }
    customRules: [
      {
        name: 'OnlyPost'
        priority: 10
        ruleType: 'MatchRule'
        action: 'Block'
        matchConditions: [
          {
            matchVariables: [{ variableName: 'RequestMethod' }]
            operator: 'Equal'
            negationConditon: true
            matchValues: ['POST']
          }
        ]
      }
    ]
    managedRules: {
      managedRuleSets: [
        {
          ruleSetType: 'Microsoft_DefaultRuleSet'
          ruleSetVersion: '2.1'
          ruleGroupOverrides: [
            {
              // Graph sends neither User-Agent nor Accept, and its handshake is text/plain without a body
              ruleGroupName: 'PROTOCOL-ENFORCEMENT'
              rules: [
                { ruleId: '920300', state: 'Disabled' }
                { ruleId: '920320', state: 'Disabled' }
                { ruleId: '920330', state: 'Disabled' }
                { ruleId: '920420', state: 'Disabled' }
              ]
            }
          ]
        }
      ]
      exclusions: [
        {
          // the handshake's token is a sentence with colons; the app bounds it and gives it back as plain text
          matchVariable: 'RequestArgValues'
          selectorMatchOperator: 'Equals'
          selector: 'validationToken'
        }
      ]
    }
  }
}

// What people and their browsers call.
resource clientPolicy 'Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies@2024-05-01' = {
  name: '${name}-clients'
  location: location
  tags: tags
  properties: {
    policySettings: {
      state: 'Enabled'
      mode: 'Prevention'
      requestBodyCheck: true
      maxRequestBodySizeInKb: 128
    }
    customRules: [
      {
        // the host's own routes (/admin, /runtime) are nobody's business out there
        name: 'OnlyOurRoutes'
        priority: 10
        ruleType: 'MatchRule'
        action: 'Block'
        matchConditions: [
          {
            matchVariables: [{ variableName: 'RequestUri' }]
            operator: 'BeginsWith'
            negationConditon: true
            matchValues: ['/api/']
            transforms: ['Lowercase']
          }
        ]
      }
    ]
    managedRules: {
      managedRuleSets: [{ ruleSetType: 'Microsoft_DefaultRuleSet', ruleSetVersion: '2.1' }]
    }
  }
}

resource gateway 'Microsoft.Network/applicationGateways@2024-05-01' = {
  name: name
  location: location
  tags: tags
  zones: zones
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    sku: { name: 'WAF_v2', tier: 'WAF_v2' }
    // 0: what is used is paid for; each instance that is kept costs ten capacity units, used or not
    autoscaleConfiguration: { minCapacity: 0, maxCapacity: 10 }
    firewallPolicy: { id: clientPolicy.id }
    enableHttp2: true
    // TLS 1.2 and later
    sslPolicy: { policyType: 'Predefined', policyName: 'AppGwSslPolicy20220101' }
    gatewayIPConfigurations: [{ name: 'gateway', properties: { subnet: { id: subnetId } } }]
    frontendIPConfigurations: [{ name: 'public', properties: { publicIPAddress: { id: publicIp.id } } }]
    frontendPorts: [{ name: 'https', properties: { port: 443 } }]
    sslCertificates: [{ name: 'tls', properties: { keyVaultSecretId: certificateSecretUri } }]
    backendAddressPools: [{ name: 'app', properties: { backendAddresses: [{ fqdn: appHost }] } }]
    probes: [
      {
        name: 'health'
        properties: {
          protocol: 'Https'
          path: '/api/health'
          interval: 30
          timeout: 30
          unhealthyThreshold: 3
          pickHostNameFromBackendHttpSettings: true
          // an app that says that a part is misconfigured still takes notifications
          match: { statusCodes: ['200-599'] }
        }
      }
    ]
    backendHttpSettingsCollection: [
      {
        name: 'https'
        properties: {
          port: 443
          protocol: 'Https'
          requestTimeout: 30
          pickHostNameFromBackendAddress: true
          probe: { id: resourceId('Microsoft.Network/applicationGateways/probes', name, 'health') }
        }
      }
    ]
    httpListeners: [
      {
        name: 'https'
        properties: {
          protocol: 'Https'
          hostName: hostName
          requireServerNameIndication: true
          frontendIPConfiguration: { id: resourceId('Microsoft.Network/applicationGateways/frontendIPConfigurations', name, 'public') }
          frontendPort: { id: resourceId('Microsoft.Network/applicationGateways/frontendPorts', name, 'https') }
          sslCertificate: { id: resourceId('Microsoft.Network/applicationGateways/sslCertificates', name, 'tls') }
        }
      }
    ]
    urlPathMaps: [
      {
        name: 'routes'
        properties: {
          defaultBackendAddressPool: { id: resourceId('Microsoft.Network/applicationGateways/backendAddressPools', name, 'app') }
          defaultBackendHttpSettings: { id: resourceId('Microsoft.Network/applicationGateways/backendHttpSettingsCollection', name, 'https') }
          pathRules: [
            {
              name: 'webhook'
              properties: {
                paths: ['/api/notifications', '/api/lifecycle']
                backendAddressPool: { id: resourceId('Microsoft.Network/applicationGateways/backendAddressPools', name, 'app') }
                backendHttpSettings: { id: resourceId('Microsoft.Network/applicationGateways/backendHttpSettingsCollection', name, 'https') }
                firewallPolicy: { id: webhookPolicy.id }
              }
            }
          ]
        }
      }
    ]
    requestRoutingRules: [
      {
        name: 'routes'
        properties: {
          ruleType: 'PathBasedRouting'
          priority: 100
          httpListener: { id: resourceId('Microsoft.Network/applicationGateways/httpListeners', name, 'https') }
          urlPathMap: { id: resourceId('Microsoft.Network/applicationGateways/urlPathMaps', name, 'routes') }
        }
      }
    ]
  }
}

resource refusals 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'firewall'
  scope: gateway
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'ApplicationGatewayFirewallLog', enabled: true }]
  }
}

@description('Where the DNS record of the host name has to lead.')
output publicHost string = publicIp.properties.dnsSettings.fqdn
