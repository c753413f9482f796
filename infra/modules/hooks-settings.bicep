// The app settings of the hooks site, as docs/settings.md describes them. A secret is a reference into the vault.

param tablesUrl string
param identityClientId string
param vaultName string
param vaultUrl string

@description('ARM resource id of the streams site.')
param streamsSiteId string

param streams object
param apiAuth string
param hookCredentials array
param defaultOutagePolicy string
param outagePolicies object
param hookBudgetSeconds string
param tokenAliases string
param chargerAliases string
param installationAliases string
param zapcloudUrl string
param zapcloudGrant string
param streamSilentAfterSeconds int
param backfillChargersPerMinute int
param meterKeys string
param archivedSessions string
param retentionSessionsDays int
param retentionDecisionsDays int
param retentionHistoryDays int
param retentionQuarantineDays int
param backupsUrl string
param entraIssuer string
param entraAudience string
param entraJwksUrl string

output settings array = [
  {
    name: 'ZAPBRIDGE_ROLE'
    value: 'hooks'
  }
  {
    name: 'ZAPBRIDGE_TABLES'
    value: tablesUrl
  }
  {
    name: 'ZAPBRIDGE_MANAGED_IDENTITY_CLIENT_ID'
    value: identityClientId
  }
  {
    name: 'ZAPBRIDGE_KEY_VAULT_URL'
    value: vaultUrl
  }
  {
    name: 'ZAPBRIDGE_STREAMS_SITE_ID'
    value: streamsSiteId
  }
  {
    name: 'ZAPBRIDGE_ARM_URL'
    value: environment().resourceManager
  }
  {
    name: 'ZAPBRIDGE_IDENTITY_KEY'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=identity-key)'
  }
  {
    name: 'ZAPBRIDGE_ZAPCLOUD_USERNAME'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=zapcloud-username)'
  }
  {
    name: 'ZAPBRIDGE_ZAPCLOUD_PASSWORD'
    value: '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=zapcloud-password)'
  }
  {
    name: 'ZAPBRIDGE_ZAPCLOUD_URL'
    value: zapcloudUrl
  }
  {
    name: 'ZAPBRIDGE_ZAPCLOUD_GRANT'
    value: zapcloudGrant
  }
  {
    name: 'ZAPBRIDGE_STREAMS'
    value: string(streams)
  }
  {
    name: 'ZAPBRIDGE_STREAM_SILENT_AFTER_SECONDS'
    value: string(streamSilentAfterSeconds)
  }
  {
    name: 'ZAPBRIDGE_BACKFILL_CHARGERS_PER_MINUTE'
    value: string(backfillChargersPerMinute)
  }
  {
    name: 'ZAPBRIDGE_METER_KEYS'
    value: meterKeys
  }
  {
    name: 'ZAPBRIDGE_ARCHIVED_SESSIONS'
    value: archivedSessions
  }
  {
    name: 'ZAPBRIDGE_RETENTION_SESSIONS_DAYS'
    value: string(retentionSessionsDays)
  }
  {
    name: 'ZAPBRIDGE_RETENTION_DECISIONS_DAYS'
    value: string(retentionDecisionsDays)
  }
  {
    name: 'ZAPBRIDGE_RETENTION_HISTORY_DAYS'
    value: string(retentionHistoryDays)
  }
  {
    name: 'ZAPBRIDGE_RETENTION_QUARANTINE_DAYS'
    value: string(retentionQuarantineDays)
  }
  {
    name: 'ZAPBRIDGE_BACKUPS'
    value: backupsUrl
  }
  {
    name: 'ZAPBRIDGE_API_AUTH'
    value: apiAuth
  }
  {
    name: 'ZAPBRIDGE_ENTRA_ISSUER'
    value: entraIssuer
  }
  {
    name: 'ZAPBRIDGE_ENTRA_AUDIENCE'
    value: entraAudience
  }
  {
    name: 'ZAPBRIDGE_ENTRA_JWKS_URL'
    value: entraJwksUrl
  }
  {
    name: 'ZAPBRIDGE_HOOK_CREDENTIALS'
    value: string(hookCredentials)
  }
  {
    name: 'ZAPBRIDGE_DEFAULT_OUTAGE_POLICY'
    value: defaultOutagePolicy
  }
  {
    name: 'ZAPBRIDGE_OUTAGE_POLICIES'
    value: string(outagePolicies)
  }
  {
    name: 'ZAPBRIDGE_HOOK_BUDGET_SECONDS'
    value: hookBudgetSeconds
  }
  {
    name: 'ZAPBRIDGE_TOKEN_ALIASES'
    value: tokenAliases
  }
  {
    name: 'ZAPBRIDGE_CHARGER_ALIASES'
    value: chargerAliases
  }
  {
    name: 'ZAPBRIDGE_INSTALLATION_ALIASES'
    value: installationAliases
  }
]
