// The vault of all secrets. It is deployed empty: `zapctl setup` and the app write the secrets, never a template.

param name string
param location string
param tags object

@description('Reached through a private endpoint, and from the operator address alone.')
param private bool

@description('Address or CIDR range the operator calls from, let through where the vault is private.')
param operatorAddress string

@description('Bring a deleted vault of this name back instead of making one.')
param recover bool

@description('Principal id of the identity of the hooks site, which writes what it fetches from ZapCloud.')
param writerPrincipalId string

@description('Principal id of the identity of the streams site, which only reads.')
param readerPrincipalId string

@description('Who runs zapctl setup, by Entra object id; nobody where empty.')
param operatorPrincipalId string

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string

@description('Tells the custom role from those of other environments in the tenant.')
param suffix string

param workspaceId string

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var secretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    createMode: recover ? 'recover' : 'default'
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: (private && empty(operatorAddress)) ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: private ? 'Deny' : 'Allow'
      ipRules: empty(operatorAddress) ? [] : [
        {
          value: operatorAddress
        }
      ]
      virtualNetworkRules: []
    }
  }
}

// The built-in role that can write secrets (Key Vault Secrets Officer) can also delete, purge, back up and list them.
resource readAndWrite 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'read-and-write-secrets')
  properties: {
    roleName: 'zapbridge read and write secrets ${suffix}'
    description: 'Get and set secrets by name; neither list, delete nor purge them.'
    type: 'CustomRole'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          'Microsoft.KeyVault/vaults/secrets/getSecret/action'
          'Microsoft.KeyVault/vaults/secrets/setSecret/action'
        ]
        notDataActions: []
      }
    ]
  }
}

resource writing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, writerPrincipalId, readAndWrite.name)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', readAndWrite.name)
    principalId: writerPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource reading 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, readerPrincipalId, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: readerPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource operating 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, secretsOfficer)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsOfficer)
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'workspace'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

output id string = vault.id
output name string = vault.name
output url string = 'https://${vault.name}${environment().suffixes.keyvaultDns}'
