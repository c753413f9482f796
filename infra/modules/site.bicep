// One Function App in a Flex Consumption plan of its own, since such a plan takes one app.

@description('The azd service that is deployed here: hooks or streams.')
param service string

param suffix string
param location string
param tags object

param identityId string
param identityClientId string

@description('Name of the storage account of the host of this site.')
param hostStorageName string

@description('URL of the blob container that holds the package of this site.')
param packageUrl string

param applicationInsightsConnectionString string
param workspaceId string

@description('App settings of the role, as name and value.')
param settings array

@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int

@description('The most instances per function group beyond the always-ready ones.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int

@description('What is kept running, as name (http or function:<name>) and instanceCount.')
param alwaysReady array

@description('How many web requests one instance serves at once.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Spread over availability zones; every always-ready count must be 2 or more then.')
param zoneRedundant bool

@description('The subnet this site calls out from; none where empty.')
param subnetId string

var hostSettings = [
  {
    name: 'AzureWebJobsStorage__accountName'
    value: hostStorageName
  }
  {
    name: 'AzureWebJobsStorage__credential'
    value: 'managedidentity'
  }
  {
    name: 'AzureWebJobsStorage__clientId'
    value: identityClientId
  }
  {
    name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
    value: applicationInsightsConnectionString
  }
  {
    name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
    value: 'ClientId=${identityClientId};Authorization=AAD'
  }
]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'zapbridge-${service}-plan-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: 'zapbridge-${service}-${suffix}'
  location: location
  tags: union(tags, {
    'azd-service-name': service
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    // No ftpsState: Flex Consumption has no FTP and refuses a site that mentions it (error 51021,
    // microsoft/azure-pipelines-tasks issue 21032).
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      appSettings: concat(hostSettings, settings)
    }
  }
}

resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'workspace'
  scope: site
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

output id string = site.id
output name string = site.name
output url string = 'https://${site.properties.defaultHostName}'
