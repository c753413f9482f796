using './main.bicep'

// What differs between environments comes from the environment: azd env set NAME value, or the shell. The rest is
// written here; a JSON object would not pass through azd's environment file unharmed.

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'zapbridge')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param operatorPrincipalId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param operatorPrincipalType = readEnvironmentVariable('AZURE_PRINCIPAL_TYPE', 'User')
param alertEmail = readEnvironmentVariable('ZAPBRIDGE_ALERT_EMAIL', '')
param runbookUrl = readEnvironmentVariable('ZAPBRIDGE_RUNBOOK_URL', '')
param privateNetwork = bool(readEnvironmentVariable('ZAPBRIDGE_PRIVATE_NETWORK', 'false'))
param operatorAddress = readEnvironmentVariable('ZAPBRIDGE_OPERATOR_ADDRESS', '')
param recoverVault = bool(readEnvironmentVariable('ZAPBRIDGE_RECOVER_VAULT', 'false'))

// Names of small letters and digits, and whose messages each brings:
// param streams = {
//   fjordveien: {
//     installation: '6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d'
//   }
// }
param streams = {}
param outagePolicies = {}
param hookCredentials = []
param defaultOutagePolicy = 'refuse'
param zapcloudGrant = 'password'

param hooksMemoryMB = 2048
param streamsMemoryMB = 2048
param hooksAlwaysReady = 1
param streamsAlwaysReady = 1
param hooksMaximumInstances = 100
param streamsMaximumInstances = 1
param zoneRedundant = false

param tablesRedundancy = 'Standard_ZRS'
param hostRedundancy = 'Standard_ZRS'
param backupsRedundancy = 'Standard_GRS'
param backupImmutableDays = 30
param backupRetentionDays = 90
param backupsLocked = false
param logRetentionDays = 30
param logTableRequests = false
param availabilityTest = true
