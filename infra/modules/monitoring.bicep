// Logs and telemetry of both sites in one workspace; telemetry only with a Microsoft Entra token, never by key alone.

param suffix string
param location string
param tags object

@description('Days that logs and telemetry are kept.')
param retentionDays int

@description('Who is told of alerts; nobody where empty.')
param alertEmail string

@description('Principal ids of the identities that send telemetry.')
param publishers array

var metricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'zapbridge-logs-${suffix}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    features: {
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'zapbridge-insights-${suffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
  }
}

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in publishers: {
  name: guid(insights.id, principalId, metricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', metricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}]

resource alerted 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'zapbridge-operator-${suffix}'
  location: 'Global'
  tags: tags
  properties: {
    groupShortName: 'zapbridge'
    enabled: true
    emailReceivers: empty(alertEmail) ? [] : [
      {
        name: 'operator'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

output workspaceId string = workspace.id
output applicationInsightsId string = insights.id
output connectionString string = insights.properties.ConnectionString
output actionGroupId string = alerted.id
