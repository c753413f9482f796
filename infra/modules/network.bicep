// A network of its own: both sites call out through one subnet and a NAT gateway with a fixed address; what they
// store is reached through private endpoints in the other.

param suffix string
param location string
param tags object

resource address 'Microsoft.Network/publicIPAddresses@2023-11-01' = {
  name: 'zapbridge-outbound-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource gateway 'Microsoft.Network/natGateways@2023-11-01' = {
  name: 'zapbridge-nat-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 4
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2023-11-01' = {
  name: 'zapbridge-network-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.74.0.0/22'
      ]
    }
    subnets: [
      {
        name: 'sites'
        properties: {
          addressPrefix: '10.74.0.0/23'
          natGateway: {
            id: gateway.id
          }
          // What Flex Consumption asks of its subnet (Microsoft Learn, "Flex Consumption plan hosting").
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.74.2.0/24'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

output id string = network.id
output sitesSubnetId string = '${network.id}/subnets/sites'
output endpointsSubnetId string = '${network.id}/subnets/endpoints'
output outboundAddress string = address.properties.ipAddress
