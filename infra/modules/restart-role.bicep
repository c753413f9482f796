// Lets the hooks site have the streams site read its secrets again and start anew, and nothing else of it.

@description('Name of the streams site.')
param siteName string

@description('Principal id of the identity of the hooks site.')
param principalId string

@description('Tells the custom role from those of other environments in the tenant.')
param suffix string

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: siteName
}

// Restart, sync and the two reads are published operations (Microsoft Learn, "Azure permissions for Web"). How the
// resource manager names POST config/configreferences/appsettings/refresh is not published, and a role that spells an
// action no provider knows is refused, so the actions below config are given as a pattern, less the published ones
// that reveal settings.
resource restartAndRefresh 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'restart-and-refresh')
  properties: {
    roleName: 'zapbridge restart and refresh ${suffix}'
    description: 'Restart a Function App and have it read its Key Vault references again; never see its settings.'
    type: 'CustomRole'
    assignableScopes: [
      resourceGroup().id
    ]
    permissions: [
      {
        actions: [
          'Microsoft.Web/sites/restart/action'
          'Microsoft.Web/sites/syncfunctiontriggers/action'
          'Microsoft.Web/sites/config/read'
          'Microsoft.Web/sites/config/appsettings/read'
          'Microsoft.Web/sites/config/*/action'
        ]
        notActions: [
          'Microsoft.Web/sites/config/list/action'
          'Microsoft.Web/sites/config/snapshots/listsecrets/action'
        ]
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource restarting 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(site.id, principalId, restartAndRefresh.name)
  scope: site
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', restartAndRefresh.name)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
