// Private endpoints, and the DNS zones in which the sites find them.

param suffix string
param location string
param tags object
param networkId string
param subnetId string

param vaultId string
param tablesId string
param backupsId string

@description('Ids of the storage accounts of the hosts.')
param hostStorageIds array

var zones = [
  'privatelink.vaultcore.azure.net'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.blob.${environment().suffixes.storage}'
]

var hostTargets = [for (id, i) in hostStorageIds: {
  name: 'host-${i}'
  id: id
  group: 'blob'
  zone: 2
}]

// `zone` is an index into `zones`.
var targets = concat([
  {
    name: 'vault'
    id: vaultId
    group: 'vault'
    zone: 0
  }
  {
    name: 'tables'
    id: tablesId
    group: 'table'
    zone: 1
  }
  {
    name: 'backups'
    id: backupsId
    group: 'blob'
    zone: 2
  }
], hostTargets)

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zoneName in zones: {
  name: zoneName
  location: 'global'
  tags: tags
}]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (zoneName, i) in zones: {
  parent: zone[i]
  name: 'zapbridge'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2023-11-01' = [for target in targets: {
  name: 'zapbridge-${target.name}-${suffix}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: target.name
        properties: {
          privateLinkServiceId: target.id
          groupIds: [
            target.group
          ]
        }
      }
    ]
  }
}]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2023-11-01' = [for (target, i) in targets: {
  parent: endpoint[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: target.group
        properties: {
          privateDnsZoneId: zone[target.zone].id
        }
      }
    ]
  }
}]
