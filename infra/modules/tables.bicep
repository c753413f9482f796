// The storage account of the app's tables: cards, sessions, states. Nothing else is in it, and no host reads from it.

param name string
param location string
param tags object

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_RAGRS'
  'Standard_GZRS'
  'Standard_RAGZRS'
])
param redundancy string

@description('Reached through private endpoints only.')
param private bool

@description('Principal ids of the identities that read and write the tables.')
param contributors array

@description('Log every request to the tables, not only count them.')
param logRequests bool

param workspaceId string

var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

// The app makes a table that is missing when it first writes to it; they are named here so that they are there, and a
// test holds the list to the code.
var tables = [
  'Authorizations'
  'ChargerHistory'
  'ChargerStates'
  'Chargers'
  'Credentials'
  'Decisions'
  'Drivers'
  'Installations'
  'ObservationKinds'
  'Quarantine'
  'Reconciliation'
  'SessionIndex'
  'Sessions'
  'Tokens'
]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: private ? 'Deny' : 'Allow'
    }
  }
}

resource service 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = [for tableName in tables: {
  parent: service
  name: tableName
}]

resource contributing 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in contributors: {
  name: guid(account.id, principalId, tableDataContributor)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'workspace'
  scope: service
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageRead'
        enabled: logRequests
      }
      {
        category: 'StorageWrite'
        enabled: logRequests
      }
      {
        category: 'StorageDelete'
        enabled: logRequests
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

output id string = account.id
output url string = 'https://${account.name}.table.${environment().suffixes.storage}'
