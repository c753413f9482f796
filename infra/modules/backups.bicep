// The storage account of the backups, apart from that of the tables: whoever loses the one still has the other. The app
// may add blobs to its container and nothing else; what is there cannot be changed or deleted by anybody before its time
// (docs/backup.md).

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

@description('Principal id of the identity that makes the backups.')
param principalId string

@description('Days for which no blob can be changed or deleted.')
param immutableDays int

@description('The policy was locked by hand, so that it can only be extended, and not by a template.')
param locked bool

@description('Days after which blobs are deleted.')
param retentionDays int

@description('Tells the custom role from those of other environments in the tenant.')
param suffix string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Cool'
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

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'backups'
  properties: {
    publicAccess: 'None'
  }
}

// A time-based retention policy of the container: new blobs may be added, none may be overwritten or deleted until it is
// so many days old (Microsoft Learn, "Time-based retention policies for immutable blob data"). Made unlocked: whoever
// may change the account may take it away again, until it is locked. Azure refuses to put a locked one once more.
resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2023-05-01' = if (!locked) {
  parent: container
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: immutableDays
    allowProtectedAppendWrites: false
  }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  dependsOn: [
    blobs
  ]
  properties: {
    policy: {
      rules: [
        {
          name: 'delete-old-backups'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${container.name}/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterCreationGreaterThan: retentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
}

// Each backup is made of new blobs, every one of them in one request, for which the right to add suffices (Azure Storage
// REST reference, "Put Blob": blobs/write, or blobs/add/action to create a new blob).
resource addBackups 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'add-backups')
  properties: {
    roleName: 'zapbridge add backups ${suffix}'
    description: 'Add blobs to a container; neither read nor overwrite nor delete any.'
    type: 'CustomRole'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
        ]
        notDataActions: []
      }
    ]
  }
}

resource adding 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, principalId, addBackups.name)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', addBackups.name)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output id string = account.id
output url string = 'https://${account.name}.blob.${environment().suffixes.storage}/${container.name}'
