// All of zapbridge in a resource group of its own: two sites that run the same package, their storage, the vault of
// the secrets and the monitoring. docs/deploy.md tells how to deploy it and what each part is for.

targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Names the resource group and, with subscription and region, every resource in it.')
param environmentName string

@minLength(1)
@description('A region that has Flex Consumption with Python 3.13.')
param location string

@description('The message streams, from name to {installation: id} or {userGroup: id}; see docs/settings.md.')
param streams object = {}

@description('Outage policies of single installations, from installation id to refuse or allow-and-mark.')
param outagePolicies object = {}

@description('Hook credentials that must be known even while storage is down; digests only, see docs/settings.md.')
param hookCredentials array = []

@allowed([
  'refuse'
  'allow-and-mark'
])
@description('What a driver with a card gets while storage is down and the policy of the installation is not known.')
param defaultOutagePolicy string = 'refuse'

@description('How long a web hook may wait for storage, in seconds.')
param hookBudgetSeconds string = '6.0'

@description('Further names of the field of a start request that holds the card, separated by commas.')
param tokenAliases string = ''

@description('Further names of the field that holds the charger.')
param chargerAliases string = ''

@description('Further names of the field that holds the installation.')
param installationAliases string = ''

@description('Where the REST API of ZapCloud is.')
param zapcloudUrl string = 'https://api.zaptec.com'

@allowed([
  'password'
  'refresh'
])
@description('How a new access token of ZapCloud is got.')
param zapcloudGrant string = 'password'

@minValue(60)
@maxValue(86400)
@description('When a stream that brings nothing counts as silent.')
param streamSilentAfterSeconds int = 900

@minValue(0)
@maxValue(300)
@description('How many states of chargers are read over REST each minute.')
param backfillChargersPerMinute int = 30

@description('Public keys of meters that sign: a JSON object from charger ids or serials to keys.')
param meterKeys string = '{}'

@allowed([
  'leave'
  'read'
])
@description('Whether finished sessions are read from the archive of ZapCloud too.')
param archivedSessions string = 'leave'

@minValue(0)
@maxValue(36500)
@description('After how many days a session loses its driver and keeps its energy; 0 for never.')
param retentionSessionsDays int = 0

@minValue(0)
@maxValue(36500)
@description('For how many days refused starts and unknown cards are kept; 0 for ever.')
param retentionDecisionsDays int = 90

@minValue(0)
@maxValue(36500)
@description('For how many days the minutes of what chargers metered are kept; 0 for ever.')
param retentionHistoryDays int = 90

@minValue(0)
@maxValue(36500)
@description('For how many days bodies that nobody could read are kept; 0 for ever.')
param retentionQuarantineDays int = 90

@allowed([
  'function-key'
  'entra'
])
@description('How callers of the management API prove themselves; entra needs the three Entra parameters.')
param apiAuth string = 'function-key'

@description('Issuer of the Entra tokens that are taken.')
param entraIssuer string = ''

@description('Audience of the Entra tokens that are taken.')
param entraAudience string = ''

@description('Where the keys of that issuer are.')
param entraJwksUrl string = ''

@allowed([
  512
  2048
  4096
])
param hooksMemoryMB int = 2048

@allowed([
  512
  2048
  4096
])
param streamsMemoryMB int = 2048

@minValue(0)
@description('Instances kept running for web requests; 0 has drivers wait for cold starts.')
param hooksAlwaysReady int = 1

@minValue(0)
@description('Instances kept running for each stream.')
param streamsAlwaysReady int = 1

@minValue(1)
@maxValue(1000)
param hooksMaximumInstances int = 100

// A subscription takes few readers. A region that still refuses less than 40 needs 40 (azure-functions-host issue
// 10523).
@minValue(1)
@maxValue(1000)
@description('Instances per stream beyond those kept running.')
param streamsMaximumInstances int = 1

@minValue(1)
@maxValue(1000)
@description('How many web requests one instance serves at once before another one is started.')
param httpConcurrency int = 32

@description('Spread the sites over availability zones; every always-ready count must be 2 or more then.')
param zoneRedundant bool = false

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_RAGRS'
  'Standard_GZRS'
  'Standard_RAGZRS'
])
@description('Copies of the tables: in one place, in three zones, or in a second region as well.')
param tablesRedundancy string = 'Standard_ZRS'

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
@description('Copies of what the hosts store, which is only the package, keys and locks.')
param hostRedundancy string = 'Standard_ZRS'

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_RAGRS'
  'Standard_GZRS'
  'Standard_RAGZRS'
])
@description('Copies of the backups; by default in a second region, which a region without a pair does not have.')
param backupsRedundancy string = 'Standard_GRS'

@minValue(1)
@maxValue(365)
@description('Days for which no backup can be changed or deleted.')
param backupImmutableDays int = 30

@minValue(1)
@maxValue(3650)
@description('Days after which backups are deleted; not fewer than they are immutable for.')
param backupRetentionDays int = 90

@description('The immutability policy of the backups was locked by hand, and templates leave it alone.')
param backupsLocked bool = false

@description('Reach storage and vault through private endpoints alone.')
param privateNetwork bool = false

@description('With privateNetwork: the address or CIDR range that zapctl setup calls the vault from; none where empty.')
param operatorAddress string = ''

@description('Entra object id of who runs zapctl setup, and so may write secrets; nobody where empty.')
param operatorPrincipalId string = ''

@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string = 'User'

@description('Bring back the deleted vault of this environment, which purge protection keeps for 90 days.')
param recoverVault bool = false

@description('Who is told of alerts; nobody where empty.')
param alertEmail string = ''

@description('Where the operator keeps docs/runbook.md; alerts link to its paragraphs.')
param runbookUrl string = ''

@description('Have Application Insights ask from outside, every few minutes, whether the web hooks answer.')
param availabilityTest bool = true

@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Log every request to the tables, not only count them; at many chargers that is much.')
param logTableRequests bool = false

var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var vaultName = 'zapbridge-${suffix}'
var runbook = empty(runbookUrl) ? 'docs/runbook.md' : runbookUrl
var tags = {
  'azd-env-name': environmentName
}
var streamsReady = [for stream in items(streams): {
  name: 'function:stream_${stream.key}'
  instanceCount: streamsAlwaysReady
}]

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module hooksIdentity 'modules/identity.bicep' = {
  name: 'hooks-identity'
  scope: group
  params: {
    name: 'zapbridge-hooks-${suffix}'
    location: location
    tags: tags
  }
}

module streamsIdentity 'modules/identity.bicep' = {
  name: 'streams-identity'
  scope: group
  params: {
    name: 'zapbridge-streams-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    retentionDays: logRetentionDays
    alertEmail: alertEmail
    publishers: [
      hooksIdentity.outputs.principalId
      streamsIdentity.outputs.principalId
    ]
  }
}

module hooksStorage 'modules/host-storage.bicep' = {
  name: 'hooks-storage'
  scope: group
  params: {
    name: 'zaphooks${suffix}'
    location: location
    tags: tags
    redundancy: hostRedundancy
    private: privateNetwork
    principalId: hooksIdentity.outputs.principalId
  }
}

module streamsStorage 'modules/host-storage.bicep' = {
  name: 'streams-storage'
  scope: group
  params: {
    name: 'zapstreams${suffix}'
    location: location
    tags: tags
    redundancy: hostRedundancy
    private: privateNetwork
    principalId: streamsIdentity.outputs.principalId
  }
}

module tables 'modules/tables.bicep' = {
  name: 'tables'
  scope: group
  params: {
    name: 'zaptables${suffix}'
    location: location
    tags: tags
    redundancy: tablesRedundancy
    private: privateNetwork
    contributors: [
      hooksIdentity.outputs.principalId
      streamsIdentity.outputs.principalId
    ]
    logRequests: logTableRequests
    workspaceId: monitoring.outputs.workspaceId
  }
}

module backups 'modules/backups.bicep' = {
  name: 'backups'
  scope: group
  params: {
    name: 'zapbackups${suffix}'
    location: location
    tags: tags
    redundancy: backupsRedundancy
    private: privateNetwork
    principalId: hooksIdentity.outputs.principalId
    immutableDays: backupImmutableDays
    locked: backupsLocked
    retentionDays: backupRetentionDays
    suffix: suffix
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: vaultName
    location: location
    tags: tags
    private: privateNetwork
    operatorAddress: operatorAddress
    recover: recoverVault
    writerPrincipalId: hooksIdentity.outputs.principalId
    readerPrincipalId: streamsIdentity.outputs.principalId
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
    suffix: suffix
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
  }
}

module privateEndpoints 'modules/private-endpoints.bicep' = if (privateNetwork) {
  name: 'private-endpoints'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointsSubnetId
    vaultId: vault.outputs.id
    tablesId: tables.outputs.id
    backupsId: backups.outputs.id
    hostStorageIds: [
      hooksStorage.outputs.id
      streamsStorage.outputs.id
    ]
  }
}

module streamsSettings 'modules/streams-settings.bicep' = {
  name: 'streams-settings'
  scope: group
  params: {
    tablesUrl: tables.outputs.url
    identityClientId: streamsIdentity.outputs.clientId
    vaultName: vault.outputs.name
    streams: streams
  }
}

module streamsSite 'modules/site.bicep' = {
  name: 'streams-site'
  scope: group
  dependsOn: [
    privateEndpoints
  ]
  params: {
    service: 'streams'
    suffix: suffix
    location: location
    tags: tags
    identityId: streamsIdentity.outputs.id
    identityClientId: streamsIdentity.outputs.clientId
    hostStorageName: streamsStorage.outputs.name
    packageUrl: streamsStorage.outputs.packageUrl
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    workspaceId: monitoring.outputs.workspaceId
    settings: streamsSettings.outputs.settings
    instanceMemoryMB: streamsMemoryMB
    maximumInstanceCount: streamsMaximumInstances
    alwaysReady: streamsAlwaysReady == 0 ? [] : streamsReady
    httpConcurrency: httpConcurrency
    zoneRedundant: zoneRedundant
    subnetId: privateNetwork ? network!.outputs.sitesSubnetId : ''
  }
}

module restartRole 'modules/restart-role.bicep' = {
  name: 'restart-role'
  scope: group
  params: {
    siteName: streamsSite.outputs.name
    principalId: hooksIdentity.outputs.principalId
    suffix: suffix
  }
}

module hooksSettings 'modules/hooks-settings.bicep' = {
  name: 'hooks-settings'
  scope: group
  params: {
    tablesUrl: tables.outputs.url
    identityClientId: hooksIdentity.outputs.clientId
    vaultName: vault.outputs.name
    vaultUrl: vault.outputs.url
    streamsSiteId: streamsSite.outputs.id
    streams: streams
    apiAuth: apiAuth
    hookCredentials: hookCredentials
    defaultOutagePolicy: defaultOutagePolicy
    outagePolicies: outagePolicies
    hookBudgetSeconds: hookBudgetSeconds
    tokenAliases: tokenAliases
    chargerAliases: chargerAliases
    installationAliases: installationAliases
    zapcloudUrl: zapcloudUrl
    zapcloudGrant: zapcloudGrant
    streamSilentAfterSeconds: streamSilentAfterSeconds
    backfillChargersPerMinute: backfillChargersPerMinute
    meterKeys: meterKeys
    archivedSessions: archivedSessions
    retentionSessionsDays: retentionSessionsDays
    retentionDecisionsDays: retentionDecisionsDays
    retentionHistoryDays: retentionHistoryDays
    retentionQuarantineDays: retentionQuarantineDays
    backupsUrl: backups.outputs.url
    entraIssuer: entraIssuer
    entraAudience: entraAudience
    entraJwksUrl: entraJwksUrl
  }
}

module hooksSite 'modules/site.bicep' = {
  name: 'hooks-site'
  scope: group
  dependsOn: [
    privateEndpoints
    restartRole
  ]
  params: {
    service: 'hooks'
    suffix: suffix
    location: location
    tags: tags
    identityId: hooksIdentity.outputs.id
    identityClientId: hooksIdentity.outputs.clientId
    hostStorageName: hooksStorage.outputs.name
    packageUrl: hooksStorage.outputs.packageUrl
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    workspaceId: monitoring.outputs.workspaceId
    settings: hooksSettings.outputs.settings
    instanceMemoryMB: hooksMemoryMB
    maximumInstanceCount: hooksMaximumInstances
    alwaysReady: hooksAlwaysReady == 0 ? [] : [
      {
        name: 'http'
        instanceCount: hooksAlwaysReady
      }
    ]
    httpConcurrency: httpConcurrency
    zoneRedundant: zoneRedundant
    subnetId: privateNetwork ? network!.outputs.sitesSubnetId : ''
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    actionGroupId: monitoring.outputs.actionGroupId
    runbook: runbook
  }
}

module availability 'modules/availability.bicep' = if (availabilityTest) {
  name: 'availability'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: tags
    url: hooksSite.outputs.url
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    actionGroupId: monitoring.outputs.actionGroupId
    runbook: runbook
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output ZAPBRIDGE_HOOKS_SITE_NAME string = hooksSite.outputs.name
output ZAPBRIDGE_STREAMS_SITE_NAME string = streamsSite.outputs.name

// What zapctl reads.
output ZAPBRIDGE_URL string = hooksSite.outputs.url
output ZAPBRIDGE_HOOKS_SITE_ID string = hooksSite.outputs.id
output ZAPBRIDGE_STREAMS_SITE_ID string = streamsSite.outputs.id
output ZAPBRIDGE_KEY_VAULT_URL string = vault.outputs.url
output ZAPBRIDGE_ARM_URL string = environment().resourceManager

// What zapctl backup and zapctl restore are given.
output ZAPBRIDGE_TABLES_URL string = tables.outputs.url
output ZAPBRIDGE_BACKUPS_URL string = backups.outputs.url

// What is pasted into Zaptec Portal.
output ZAPBRIDGE_SESSION_START_URL string = '${hooksSite.outputs.url}/api/hooks/session-start'
output ZAPBRIDGE_SESSION_END_URL string = '${hooksSite.outputs.url}/api/hooks/session-end'
output ZAPBRIDGE_AUTHENTICATION_URL string = '${hooksSite.outputs.url}/api/oauth/token'

@description('The address both sites call out from, where the network is private.')
output ZAPBRIDGE_OUTBOUND_ADDRESS string = privateNetwork ? network!.outputs.outboundAddress : ''
